// SPDX-License-Identifier: MIT
//
// Maps of one origin share the parts of their tries in which nothing was set since. Of two tries, parts
// with the same address are skipped. A binding is in one place of each map, but not in the same one of
// both: so what is found in a part of one map is looked up in the whole of the other.
#include "current/compare.hpp"
#include "process/memory.hpp"
#include "storage/map.hpp"
#include "variables/registry.hpp"

#include <contextvars/context.hpp>
#include <contextvars/diff.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <typeinfo>
#include <vector>

namespace contextvars::inline v0 {
namespace detail {

namespace {

bool are_equal(const type_operations& operations, const cell& a, const cell& b) {
    const void* const value_a = value_in(a.value, operations);
    const void* const value_b = value_in(b.value, operations);
    if (are_identical(operations, value_a, value_b))
        return true;
    if (*operations.type == typeid(Context))
        return *static_cast<const Context*>(value_a) == *static_cast<const Context*>(value_b);
    const auto equal = operations.equal.load(std::memory_order_relaxed);
    return equal != nullptr && equal(value_a, value_b);
}

class differ {
public:
    differ(const map& before, const map& after, std::vector<change>& changes)
        : before_(before), after_(after), in_before_(before), in_after_(after), changes_(changes) {}

    void run() {
        for (std::uint32_t i = 0; i != capacity_of(before_); ++i)
            look_at_before(cells_of(before_)[i]);
        for (std::uint32_t i = 0; i != capacity_of(after_); ++i)
            look_at_after(cells_of(after_)[i]);
        look_at_parts(before_.rest, after_.rest);
        for (const dead_binding* dead = first_dead(before_); dead != nullptr; dead = dead->next)
            look_at_before(dead->bound);
        for (const dead_binding* dead = first_dead(after_); dead != nullptr; dead = dead->next)
            look_at_after(dead->bound);
    }

private:
    static const dead_binding* first_dead(const map& map) noexcept {
        return map.rest != nullptr ? map.rest->dead : nullptr;
    }

    /// Of tries of different heights, the lower one is in the place of the first child.
    static const trie_part* child(const trie_part* part, std::uint32_t shift,
                                  std::uint32_t way) noexcept {
        if (part == nullptr || part->shift != shift)
            return way == 0 ? part : nullptr;
        return static_cast<const branch*>(part)->children[way];
    }

    void look_at_parts(const trie_part* before, const trie_part* after) {
        if (before == after)
            return;
        const std::uint32_t shift =
            std::max(before != nullptr ? before->shift : 0, after != nullptr ? after->shift : 0);
        if (shift != 0) {
            for (std::uint32_t way = 0; way != branch::ways; ++way)
                look_at_parts(child(before, shift, way), child(after, shift, way));
            return;
        }
        if (before != nullptr)
            for (const cell& cell : static_cast<const leaf*>(before)->cells)
                look_at_before(cell);
        if (after != nullptr)
            for (const cell& cell : static_cast<const leaf*>(after)->cells)
                look_at_after(cell);
    }

    void look_at_before(const cell& cell) {
        if (cell.key == no_key)
            return;
        const detail::cell* const other = in_after_.find(cell.key);
        if (other == nullptr || !are_equal(operations_of_key(cell.key), cell, *other))
            add(cell.key, &cell, other);
    }
    void look_at_after(const cell& cell) {
        if (cell.key != no_key && in_before_.find(cell.key) == nullptr)
            add(cell.key, nullptr, &cell);
    }

    void add(key_type key, const cell* before, const cell* after) {
        const auto value = [key](const cell* cell) -> std::optional<value_ref> {
            if (cell == nullptr)
                return std::nullopt;
            const type_operations& operations = operations_of_key(key);
            return snapshot_access::value(&operations, value_in(cell->value, operations),
                                          is_secret(key));
        };
        changes_.push_back({snapshot_access::variable(key), value(before), value(after)});
    }

    const map& before_;
    const map& after_;
    const bindings_by_key in_before_;
    const bindings_by_key in_after_;
    std::vector<change>& changes_;
};

} // namespace
} // namespace detail

Difference diff(const Context& before, const Context& after) {
    Difference difference(before, after);
    const detail::map& of_before = *difference.before_.get();
    const detail::map& of_after = *difference.after_.get();
    if (&of_before == &of_after || same_edition(of_before.writer, of_after.writer))
        return difference;
    std::vector<change> changes;
    detail::differ(of_before, of_after, changes).run();
    if (changes.empty())
        return difference;
    auto* const kept = static_cast<change*>(detail::need_memory(changes.size() * sizeof(change)));
    std::uninitialized_copy(changes.begin(), changes.end(), kept);
    difference.changes_ = kept;
    difference.size_ = changes.size();
    return difference;
}

static_assert(std::is_trivially_destructible_v<change> &&
              std::is_nothrow_copy_constructible_v<change>);
Difference::~Difference() { detail::give_memory(changes_); }

} // namespace contextvars::inline v0
