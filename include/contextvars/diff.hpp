// SPDX-License-Identifier: MIT
//
// diff(before, after) lists the variables that two contexts bind differently.
//
//     for (const auto& [variable, before, after] : diff(before, after))
//         if (after)
//             std::cout << variable << " is " << *after << '\n';
#ifndef CONTEXTVARS_DIFF_HPP
#define CONTEXTVARS_DIFF_HPP

#include <contextvars/config.hpp>
#include <contextvars/context.hpp>
#include <contextvars/detail/capture.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace contextvars::inline v0 {

/// A variable and its two values. If it is bound in one of the contexts only, the other value is missing.
struct change {
    variable_ref variable;
    std::optional<value_ref> before;
    std::optional<value_ref> after;
};

/// The range that diff() returns, in no particular order. It keeps the values alive, and does not show
/// later changes of the contexts.
class Difference {
public:
    using const_iterator = const change*;

    Difference(Difference&& other) noexcept
        : before_(std::move(other.before_)), after_(std::move(other.after_)),
          changes_(std::exchange(other.changes_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Difference& operator=(Difference&& other) noexcept {
        std::swap(before_, other.before_);
        std::swap(after_, other.after_);
        std::swap(changes_, other.changes_);
        std::swap(size_, other.size_);
        return *this;
    }
    CONTEXTVARS_EXPORT ~Difference();

    const_iterator begin() const noexcept { return changes_; }
    const_iterator end() const noexcept { return changes_ + size_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

private:
    Difference(const Context& before, const Context& after) : before_(before), after_(after) {}

    detail::pinned_map before_;
    detail::pinned_map after_;
    change* changes_ =
        nullptr; ///< refer to values in these maps; no std::vector, for a thin header
    std::size_t size_ = 0;

    friend CONTEXTVARS_EXPORT Difference diff(const Context& before, const Context& after);
};

/// Returns: the variables that `after` binds otherwise than `before`: added, removed, or with a value that
/// is not equal. Values are equal as for == of contexts, so the range is empty exactly if the contexts
/// are equal.
/// Throws: as == of contexts.
/// Cost: grows with the number of changes, not with that of bindings: parts that the contexts share are not
/// looked at. At most 64 variables of each are always looked at, and those that are gone.
CONTEXTVARS_EXPORT Difference diff(const Context& before, const Context& after);

} // namespace contextvars::inline v0

#endif
