// SPDX-License-Identifier: MIT
#include "thin_types.hpp"

#include <filesystem>
#include <memory>
#include <thread>

// These headers may include <ostream>, or not: the library does not ask.
using contextvars::detail::known_printing;
static_assert(known_printing<std::error_code> && known_printing<std::thread::id>);
static_assert(known_printing<std::filesystem::path>);
static_assert(known_printing<std::unique_ptr<int>> && known_printing<std::unique_ptr<int[]>>);
static_assert(known_printing<std::shared_ptr<int>> && known_printing<std::shared_ptr<void>>);
static_assert(known_printing<std::bitset<100>> && known_printing<std::pmr::string>);
static_assert(!known_printing<std::weak_ptr<int>> && !known_printing<std::error_condition>);
static_assert(!known_printing<std::wstring> && !known_printing<std::vector<bool>>);

/// A program's own pointer prints as the program says.
struct ProgramsPointer {
    using element_type = int;
    using weak_type = std::weak_ptr<int>;
    int* get() const;
};
static_assert(!known_printing<ProgramsPointer>);

namespace {

contextvars::ContextVar<std::thread::id> thread("thread");
contextvars::ContextVar<std::filesystem::path> path("path");
contextvars::ContextVar<std::unique_ptr<int>> owned("owned");
contextvars::ContextVar<std::shared_ptr<int>> shared("shared");

} // namespace

contextvars::Context thin::bind_standard_types() {
    return contextvars::Context().with(thread.to(std::thread::id()), path.to("a/b"),
                                       owned.to(std::make_unique<int>(1)), shared.to(nullptr));
}
