// SPDX-License-Identifier: MIT
//
// A plug-in, built with hidden visibility: its types and their operations are its own. Compiled several
// times: READS_ONLY binds nothing; BINDS_WHILE_LOADED binds in a constructor; WAITS_WHILE_LOADED has a
// constructor that waits until a thread of the program has bound a variable of the program's.
#include "plugin.hpp"

#include <contextvars/contextvars.hpp>

#include <ostream>
#include <string>

#define CONTEXTVARS_TESTS_VISIBLE extern "C" __attribute__((visibility("default")))

namespace {

struct session {
    std::string text;
    friend bool operator==(const session&, const session&) = default;
    friend std::ostream& operator<<(std::ostream& out, const session& s) { return out << s.text; }
};

contextvars::ContextVar<session> current{"plugin.session"};
contextvars::ContextVar<int> count{"plugin.count"};

} // namespace

#if !defined(READS_ONLY)
CONTEXTVARS_TESTS_VISIBLE void bind_variables() {
    current.set(session{"a session whose text is on the heap, since it is long"});
    count.set(7);
    // A variable that exists when this module is gone, and that is bound already: only its value comes
    // from here.
    programs_variable().set("set by the plug-in, and too long for the small string buffer");
}
#endif

CONTEXTVARS_TESTS_VISIBLE int read_variables() {
    return count.get(1) + static_cast<int>(programs_variable().get().size()) +
           (current.try_get() != nullptr ? 1 : 0);
}

namespace {

[[maybe_unused]] const int loaded = [] {
#if defined(BINDS_WHILE_LOADED)
    current.set(session{"bound while the module is being loaded"});
    contextvars::Context().run([] { bind_variables(); });
#elif defined(WAITS_WHILE_LOADED)
    wait_for_a_thread_that_binds();
#endif
    return 0;
}();

} // namespace
