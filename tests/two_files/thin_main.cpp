// SPDX-License-Identifier: MIT
//
// Linked without the file that includes <ostream>, and with it in either order: a function prints in each
// program, and so do the standard library's types; what may not be called without <ostream> does if one
// file includes it.
#include "thin_types.hpp"

#include <cstdio>
#include <sstream>
#include <string>

namespace {

int failures = 0;

void expect(const contextvars::Context& context, const char* name, const std::string& begin) {
    for (const auto& [variable, value] : context) {
        std::ostringstream out;
        out << value;
        if (variable.name() == name) {
            if (out.str().compare(0, begin.size(), begin) != 0) {
                std::printf("%s: %s, but not %s\n", name, out.str().c_str(), begin.c_str());
                ++failures;
            }
            return;
        }
    }
    std::printf("%s is not bound\n", name);
    ++failures;
}

void expect_all(const contextvars::Context& context, bool templates) {
    expect(context, "plain", "plain(1)");
    expect(context, "by value", "by value(2)");
    expect(context, "friendly", "friendly(3)");
    expect(context, "of base", "plain(4)");
    expect(context, "color", "green");
    expect(context, "level", "high");
    expect(context, "many", "2 of them");
    expect(context, "templated", templates ? "templated(7)" : "<thin::Templated at 0x");
    expect(context, "derived", templates ? "derived(8)" : "plain(8)");
    expect(context, "holder", templates ? "9" : "<thin::Holder<int> at 0x");
    expect(context, "all", templates ? "10" : "<thin::takes_all::Type at 0x");
    expect(context, "all values", templates ? "11" : "<thin::takes_all_values::Type at 0x");
    expect(context, "beside", templates ? "beside(12)" : "<thin::made_of_all::Beside at 0x");
    expect(context, "mute", templates ? "made of a mute" : "<thin::made_of_all::Mute at 0x");
    expect(context, "error", "generic:22");
    expect(context, "bits", "0101");
    expect(context, "text", "text");
    expect(context, "number", "1.5");
}

} // namespace

int main() {
#ifdef WITH_OSTREAM
    expect_all(thin::bind_without_ostream(), true);
    expect_all(thin::bind_with_ostream(), true);
#else
    expect_all(thin::bind_without_ostream(), false);
#endif
    const contextvars::Context standard = thin::bind_standard_types();
    expect(standard, "thread", "thread::id of a non-executing thread");
    expect(standard, "path", "\"a/b\"");
    expect(standard, "owned", "0x");
    expect(standard, "shared", "nullptr");
    return failures;
}
