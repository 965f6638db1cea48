// SPDX-License-Identifier: MIT
//
// The fields of a Boost.Beast message as a carrier, for a server and for a client. This file
// includes nothing of Boost.
#ifndef CONTEXTVARS_PROPAGATION_BEAST_HPP
#define CONTEXTVARS_PROPAGATION_BEAST_HPP

#include <contextvars/config.hpp>

#include <ranges>
#include <string_view>

namespace contextvars::inline v0::propagation {

/// A view of a `boost::beast::http::request`, `response` or `fields`, which finds names in any case.
/// Precondition: the message outlives it.
template <class Fields>
class beast_fields {
public:
    explicit beast_fields(Fields& fields) noexcept : fields_(fields) {}

    auto get_all(std::string_view name) const {
        const auto [first, last] = fields_.equal_range({name.data(), name.size()});
        return std::ranges::subrange(first, last) |
               std::views::transform([](const auto& field) -> std::string_view {
                   const auto value = field.value();
                   return {value.data(), value.size()};
               });
    }
    void set(std::string_view name, std::string_view value) {
        fields_.insert({name.data(), name.size()}, {value.data(), value.size()});
    }

private:
    Fields& fields_;
};

} // namespace contextvars::inline v0::propagation

#endif
