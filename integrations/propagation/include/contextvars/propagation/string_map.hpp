// SPDX-License-Identifier: MIT
//
// A map of strings as a carrier: the properties of a message in a queue.
#ifndef CONTEXTVARS_PROPAGATION_STRING_MAP_HPP
#define CONTEXTVARS_PROPAGATION_STRING_MAP_HPP

#include <contextvars/config.hpp>

#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>

namespace contextvars::inline v0::propagation {

/// A view of a std::map, std::unordered_map or multimap of strings. Names are in lower case, and
/// are found as they are, since queues tell `A` from `a`.
/// Precondition: the map outlives it.
template <class Map>
class string_map {
public:
    explicit string_map(Map& map) noexcept : map_(map) {}

    auto get_all(std::string_view name) const {
        const auto [first, last] = map_.equal_range(std::string(name));
        return std::ranges::subrange(first, last) |
               std::views::transform(
                   [](const auto& header) -> std::string_view { return header.second; });
    }
    void set(std::string_view name, std::string_view value) {
        map_.emplace(std::string(name), std::string(value));
    }

private:
    Map& map_;
};

} // namespace contextvars::inline v0::propagation

#endif
