// SPDX-License-Identifier: MIT
//
// What the parsers of this integration return, and the hook that is told of all that was dropped.
// Input from outside is never a reason for an exception: it is dropped, and the reason is returned.
#ifndef CONTEXTVARS_PROPAGATION_FAULT_HPP
#define CONTEXTVARS_PROPAGATION_FAULT_HPP

#include <contextvars/config.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace contextvars::inline v0::propagation {

/// Why something was dropped.
enum class fault : std::uint8_t {
    none,           ///< nothing was dropped
    malformed,      ///< it does not have the form that the standard asks for
    bad_version,    ///< the version ff of a traceparent
    zero_id,        ///< a trace id or span id of zeros
    repeated,       ///< a header that may come once came twice; a key that may come once did
    too_long,       ///< the bytes exceed the limit
    too_many,       ///< the members exceed the limit
    without_parent, ///< a tracestate without a valid traceparent
    untrusted,      ///< baggage, and the edge does not say that it trusts it
    refused,        ///< a codec of the program does not take the value
    out_of_time,    ///< a deadline that has passed is not sent
};

/// Returns: the fault in words, for a log.
CONTEXTVARS_EXPORT std::string_view words(fault reason) noexcept;

/// A T, or the reason why there is none.
template <class T>
class parsed {
public:
    constexpr parsed(T value) noexcept(noexcept(T(std::move(value)))) : value_(std::move(value)) {}
    /// Precondition: `reason` is not fault::none.
    constexpr parsed(fault reason) noexcept : reason_(reason) {}

    constexpr explicit operator bool() const noexcept { return value_.has_value(); }
    /// Precondition: there is a value.
    // NOLINTBEGIN(bugprone-unchecked-optional-access): the precondition says so
    constexpr const T& operator*() const& noexcept { return *value_; }
    constexpr T&& operator*() && noexcept { return *std::move(value_); }
    constexpr const T* operator->() const noexcept { return &*value_; }
    // NOLINTEND(bugprone-unchecked-optional-access)

    /// Returns: fault::none if there is a value.
    constexpr fault reason() const noexcept { return reason_; }

private:
    std::optional<T> value_;
    fault reason_ = fault::none;
};

/// One report. It never holds what was dropped: that came from outside, and may be secret.
struct dropped {
    std::string_view header;  ///< the header's name, as this library writes it
    fault reason;             ///< of the first thing that was dropped
    std::size_t count;        ///< how many members of the header were dropped, or 1 for all of it
    std::uint64_t unreported; ///< reports of this reason that were left out since the last one
};

/// Is called by extract() and inject(); see set_dropped_hook().
using dropped_hook = void (*)(const dropped&) noexcept;

/// Installs the hook that extract() and inject() tell of what they drop. It is told of each reason
/// ten times a minute at most, so that a peer cannot fill a log. The counts begin anew.
/// Returns: the hook that was installed before. nullptr stands for no hook, which is the default.
/// Threads: any; the hook may be called on any thread.
CONTEXTVARS_EXPORT dropped_hook set_dropped_hook(dropped_hook hook) noexcept;

} // namespace contextvars::inline v0::propagation

#endif
