// SPDX-License-Identifier: MIT
//
// Linked twice, with the two files in either order: what a value is taken for, and how it is compared
// and printed, depends on neither file and on no order.
#include "types.hpp"

#include <cstdio>
#include <string>

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
    if (!holds) {
        std::printf("does not hold: %s\n", what);
        ++failures;
    }
}

} // namespace

int main() {
    using two_files::file;
    const file* const files[] = {&two_files::with_operators, &two_files::without_operators};
    for (const file* by : files) {
        for (const file* in : files) {
            const std::string text = in->print(by->bind(7));
            expect(text.find("plain=plain(7)") != std::string::npos,
                   "a class is printed by its <<");
            expect(text.find("derived=derived") != std::string::npos,
                   "a class is printed by its own <<, and not by that of its base");
            expect(text.find("letter=letter") != std::string::npos,
                   "an enum of characters is printed by its own <<");
            expect(text.find("color=green") != std::string::npos,
                   "an enum is printed by its own <<");
            expect(text.find("level=high") != std::string::npos,
                   "an enum class is printed by its <<");
            expect(in->equal(by->bind(7), by->bind(17)), "values are compared by ==");
            expect(!in->equal(by->bind(7), by->bind(8)), "values are compared by ==, and differ");
            expect(in->knows_plain(by->bind(7)), "a type in a header is one type");
            expect(in->own(by->bind_own()) == (in == by ? 5 : 0),
                   "a type of one file is known there, and is no other file's type of that name");
        }
    }
    return failures;
}
