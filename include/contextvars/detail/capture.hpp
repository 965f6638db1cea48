// SPDX-License-Identifier: MIT
//
// How bindings are taken for somebody who goes on without the giver, and dropped.
#ifndef CONTEXTVARS_DETAIL_CAPTURE_HPP
#define CONTEXTVARS_DETAIL_CAPTURE_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/current.hpp>
#include <contextvars/detail/map.hpp>

#include <utility>

namespace contextvars::inline v0 {

class Context;

namespace detail {

/// Captures the bindings of a map for an owner that goes on without the giver. Returns: a clone if
/// the map is small, else the map with one more reference. Never fails: if there is no memory for a
/// clone, a reference will do.
CONTEXTVARS_EXPORT map* capture_bindings(map* map) noexcept;
/// Drops a reference. The last one destroys the values, whose destructors may call anything here.
/// Precondition: the map is not the empty map.
CONTEXTVARS_EXPORT void release_bindings(map* map) noexcept;
/// Takes a reference to the current map, even if it is small. It is for captures that are kept
/// while much else runs, and often made many times of one context.
CONTEXTVARS_EXPORT map* share_current_bindings() noexcept;
/// As capture_bindings(current_map()), also of bindings that are not captured, and of a context whose
/// capture is suppressed. It is for an owner that goes on in the giver's place.
CONTEXTVARS_EXPORT map* take_over_current_bindings() noexcept;

/// A reference to a map. Its holder may read the map, and nobody changes the map in place.
class pinned_map {
public:
    /// Holds the empty map.
    pinned_map() noexcept : map_(empty_map()) {}
    /// Returns: the bindings that copy_context() would hold.
    static pinned_map of_current() noexcept { return pinned_map(capture(current_map())); }
    /// Returns: the same bindings, in the current map itself.
    static pinned_map shared() noexcept { return pinned_map(share_current_bindings()); }
    /// Holds the bindings of `context`. If another thread runs it, these are the bindings at its
    /// entry.
    CONTEXTVARS_EXPORT explicit pinned_map(const Context& context) noexcept;
    /// Holds those of them that are captured.
    CONTEXTVARS_EXPORT static pinned_map copy_of(const Context& context) noexcept;

    pinned_map(const pinned_map& other) noexcept : map_(capture(other.map_)) {}
    pinned_map(pinned_map&& other) noexcept : map_(other.take()) {}
    pinned_map& operator=(pinned_map other) noexcept {
        std::swap(map_, other.map_);
        return *this;
    }
    ~pinned_map() {
        if (map_ != empty_map())
            release_bindings(map_);
    }

    /// Returns: the same bindings as `map` has.
    static pinned_map copy_of(map* map) noexcept { return pinned_map(capture(map)); }

    map* get() const noexcept { return map_; }
    map* take() noexcept { return std::exchange(map_, empty_map()); }
    static pinned_map adopt(map* map) noexcept { return pinned_map(map); }

private:
    explicit pinned_map(map* map) noexcept : map_(map) {}

    static map* capture(map* map) noexcept {
        return map == empty_map() ? map : capture_bindings(map);
    }

    map* map_;
};

} // namespace detail
} // namespace contextvars::inline v0

#endif
