// SPDX-License-Identifier: MIT
//
// Constructors that run before the library's own, and destructors that run after them, in the program and
// in a module that it is linked to. With a static library the program's are truly before and after. Built
// twice; AS_MODULE: the module. Prints the number of checks that fail.
#include <contextvars/contextvars.hpp>

#include <cstdio>
#include <string>
#include <thread>

namespace cv = contextvars;

#if defined(AS_MODULE)
#define CONTEXTVARS_TESTS_PART in_module
#else
#define CONTEXTVARS_TESTS_PART in_program
#endif

namespace CONTEXTVARS_TESTS_PART {

/// Not destroyed, so that it may be used at the very end.
template <class T>
union immortal {
    constexpr explicit immortal(const char* name) : variable(name) {}
    ~immortal() {}
    cv::ContextVar<T> variable;
};
constinit immortal<std::string> immortal_text("text");
constinit immortal<int> immortal_number("number");
constexpr const cv::ContextVar<std::string>& text = immortal_text.variable;
constexpr const cv::ContextVar<int>& number = immortal_number.variable;

int failed = 0;
int used = 0;

void use() {
    failed += number.get(0) != used;
    number.set(++used);
    text.set("a text that is too long for the small string buffer");
    const cv::Context copy = cv::copy_context();
    failed += copy[number] != used;
    cv::Context own;
    failed += own.run([] { return text.try_get() == nullptr; }) ? 0 : 1;
    std::thread([&] { failed += number.try_get() != nullptr; }).join();
    {
        const cv::ContextVar<int> local{"local"};
        const auto scope = local.scoped(1);
    }
}

[[gnu::constructor(101)]] void before_all() { use(); }
[[gnu::constructor]] void like_the_librarys() { use(); }
[[maybe_unused]] const int dynamic = (use(), 0);

struct at_end {
    ~at_end() { use(); }
};
const at_end end;
[[gnu::destructor]] void after_the_static_destructors() { use(); }
[[gnu::destructor(101)]] void after_all() {
    use();
    std::printf("%d failed\n", failed + (used != 7));
    std::fflush(stdout);
}

} // namespace CONTEXTVARS_TESTS_PART

#if defined(AS_MODULE)
__attribute__((visibility("default"))) int use_module() {
    in_module::use();
    return in_module::failed;
}
#else
int use_module();
int main() {
    in_program::use();
    return use_module() + in_program::failed;
}
#endif
