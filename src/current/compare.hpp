// SPDX-License-Identifier: MIT
//
// How bindings of two maps are found and compared.
#ifndef CONTEXTVARS_SRC_CURRENT_COMPARE_HPP
#define CONTEXTVARS_SRC_CURRENT_COMPARE_HPP

#include "storage/map.hpp"

#include <contextvars/detail/value.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

namespace contextvars::inline v0::detail {

/// Finds every binding of a map, also those of variables that are gone, which are a list in the
/// map.
class bindings_by_key {
public:
    /// Throws: std::bad_alloc, if there are bindings in the list.
    explicit bindings_by_key(const map& map) : map_(map) {
        if (map.rest != nullptr)
            for (const dead_binding* dead = map.rest->dead; dead != nullptr; dead = dead->next)
                dead_.push_back(&dead->bound);
        std::sort(dead_.begin(), dead_.end(),
                  [](const cell* a, const cell* b) { return a->key < b->key; });
    }

    const cell* find(key_type key) const noexcept {
        if (const cell* const found = detail::find(map_, key))
            return found;
        const auto dead = std::lower_bound(
            dead_.begin(), dead_.end(), key,
            [](const cell* bound, key_type wanted) { return bound->key < wanted; });
        return dead != dead_.end() && (*dead)->key == key ? *dead : nullptr;
    }

private:
    const map& map_;
    std::vector<const cell*> dead_;
};

/// Whether two values of a type are one: in one node; or, if they have no place of their own, of the same
/// bits.
inline bool are_identical(const type_operations& operations, const void* a,
                          const void* b) noexcept {
    return operations.in_node ? a == b : std::memcmp(a, b, operations.size()) == 0;
}

} // namespace contextvars::inline v0::detail

#endif
