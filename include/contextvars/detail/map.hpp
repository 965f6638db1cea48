// SPDX-License-Identifier: MIT
//
// As much of a map as the inline lookup must see: its head and the cells that follow it. What the
// structure is, and why, is told in docs/storage.md and src/storage/map_operations.hpp.
#ifndef CONTEXTVARS_DETAIL_MAP_HPP
#define CONTEXTVARS_DETAIL_MAP_HPP

#include <contextvars/config.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace contextvars::inline v0::detail {

/// The identity of one variable as the maps know it; never used again for another variable.
///   bit 0       the value is in a node (else in the cell itself)
///   bits 1..3   0
///   bits 4..23  id: small and dense, used again when its variable is gone
///   bits 24..43 descriptor: the name and type, interned
///   bits 44..63 generation: how often the id was used again, plus 1; so no key is 0
using key_type = std::uint64_t;

/// Identities are handed out to contexts when a token must remember one. Never 0; the two low bits
/// are 0.
using identity_type = std::uint64_t;
inline constexpr identity_type identity_step = 4;

inline constexpr key_type no_key = 0;      ///< of an empty cell
inline constexpr key_type unbound_key = 2; ///< of a variable never bound: equal to no cell's key

/// What a cell, or a token, holds of a value: the value itself, or the address of the value in its
/// node.
struct word {
    alignas(8) std::byte bytes[8];
};

struct cell {
    key_type key;
    word value;
};

// The trie on ids, of what finds its place in the table taken. Each part may be shared by several tries, and so counts
// those that refer to it. A copy of a part does not count yet what it then shares with the old one.

struct trie_part {
    explicit trie_part(std::uint32_t of_ids) noexcept : shift(of_ids) {}

    std::atomic<std::uint32_t> references{1};
    const std::uint32_t shift; ///< of the ids, for a way of it: 16, 10 or 4; 0: it is a leaf
};

struct leaf : trie_part {
    static constexpr std::uint32_t ways = 16;

    leaf() noexcept : trie_part(0), cells{} {}
    explicit leaf(const leaf& old) noexcept;

    std::array<cell, ways> cells;

    const cell& place_of(key_type key) const noexcept {
        // In bytes, which takes two instructions less: cells are of as many as their ids' lowest bit.
        const std::size_t offset = key & (ways - 1) << 4;
        return *reinterpret_cast<const cell*>(reinterpret_cast<const std::byte*>(cells.data()) +
                                              offset);
    }
    cell& place_of(key_type key) noexcept {
        return const_cast<cell&>(static_cast<const leaf*>(this)->place_of(key));
    }
};

struct branch : trie_part {
    static constexpr std::uint32_t ways = 64;

    explicit branch(std::uint32_t of_ids) noexcept : trie_part(of_ids), children{} {}
    explicit branch(const branch& old) noexcept;

    std::array<trie_part*, ways> children;
};

struct map;
struct dead_binding;

/// The root, with what else a map has besides its table.
struct trie : branch {
    /// One that reaches an id.
    explicit trie(std::uint32_t id) noexcept
        : branch(id < 1U << 10   ? 4U
                 : id < 1U << 16 ? 10U
                                 : 16U) {}
    explicit trie(const trie& old) noexcept : branch(old), dead(old.dead) {}
    /// One that reaches 64 times as far as `old`, whose parts are in `below` now.
    trie(const trie& old, branch& below) noexcept : branch(old.shift + 6), dead(old.dead) {
        children[0] = &below;
    }

    /// Ids below it have a place.
    std::uint32_t limit() const noexcept { return ways << shift; }

    dead_binding* dead = nullptr; ///< bindings of variables that are gone, whose place was needed
};

/// Who may change a map in place without asking: one frame, and that only while the map is the current one
/// (see src/current/context_var.cpp); or nobody. A map without a writer may have an edition: maps of one
/// edition have the same bindings. One word, since the inline set and reset ask one question of it.
class map_writer {
public:
    static constexpr map_writer frame(identity_type identity) noexcept {
        return map_writer(identity);
    }
    static constexpr map_writer nobody() noexcept { return map_writer(1); }
    /// Nobody. The number is an identity that no frame has; or 0, of the empty map.
    static constexpr map_writer edition(identity_type number) noexcept {
        return map_writer(number | edition_bits);
    }
    /// Nobody, with the edition if there is one.
    constexpr map_writer without_frame() const noexcept { return map_writer(bits_ | 1); }

    constexpr bool is_frame() const noexcept { return (bits_ & 1) == 0; }
    constexpr bool is_frame(identity_type identity) const noexcept { return bits_ == identity; }
    /// Precondition: it is a frame.
    constexpr identity_type identity() const noexcept {
        CONTEXTVARS_ASSERT(is_frame());
        return bits_;
    }

    constexpr bool has_edition() const noexcept { return (bits_ & 2) != 0; }
    /// Whether both have an edition, and the same. In one branch: two take 4 % of an Asio hop's time.
    friend constexpr bool same_edition(map_writer a, map_writer b) noexcept {
        return ((a.bits_ ^ b.bits_) | (~a.bits_ & edition_bits)) == 0;
    }

    friend constexpr bool operator==(map_writer, map_writer) noexcept = default;

private:
    constexpr explicit map_writer(identity_type bits) noexcept : bits_(bits) {}

    static constexpr identity_type edition_bits = 3;

    identity_type bits_; // an identity, whose two low bits are 0; or 1; or an edition
};

/// The head of a map; `capacity` cells follow it. A key's place among them is its id modulo the
/// capacity, a power of two up to 64. What finds its place taken is in `rest`.
struct alignas(16) map {                   // four bits of its address are free for marks
    std::uint32_t reach;                   ///< (capacity - 1) << 4: masks a key to 16 * its place
    std::uint32_t size;                    ///< bindings, those in rest included
    std::atomic<std::uint32_t> references; ///< 1: its holder may change it in place
    std::uint8_t nodes;                    ///< cells (without rest's) whose value is in a node
    trie* rest;                            ///< nullptr as long as every key has found its place
    map_writer writer;

    /// Of a key's place, from the first cell, in bytes.
    std::size_t offset_of(key_type key) const noexcept {
        return static_cast<std::uint32_t>(key) & reach;
    }
    // What is at an offset. Not by way of the cell, whose address would then be computed apart.
    key_type key_at(std::size_t offset) const noexcept {
        return *reinterpret_cast<const key_type*>(bytes() + offset + sizeof(map));
    }
    const word& value_at(std::size_t offset) const noexcept {
        return *reinterpret_cast<const word*>(bytes() + offset + sizeof(map) + sizeof(key_type));
    }
    word& value_at(std::size_t offset) noexcept {
        return const_cast<word&>(static_cast<const map*>(this)->value_at(offset));
    }

    const cell& place_of(key_type key) const noexcept {
        return *reinterpret_cast<const cell*>(bytes() + offset_of(key) + sizeof(map));
    }
    cell& place_of(key_type key) noexcept {
        return const_cast<cell&>(static_cast<const map*>(this)->place_of(key));
    }

private:
    const std::byte* bytes() const noexcept { return reinterpret_cast<const std::byte*>(this); }
};
static_assert(sizeof(map) == 32 && sizeof(cell) == 16 && offsetof(cell, value) == sizeof(key_type));

/// From now on others may come to share the map. Not written to if it has no writer: they may have.
inline void freeze(map& map) noexcept {
    if (map.writer.is_frame())
        map.writer = map_writer::nobody();
}

struct empty_map_storage {
    map head;
    cell place;
};
extern CONTEXTVARS_EXPORT constinit empty_map_storage the_empty_map;

/// The map that every empty context shares. Never counted, never changed.
constexpr map* empty_map() noexcept { return &the_empty_map.head; }

constexpr std::uint32_t id_of(key_type key) noexcept {
    return static_cast<std::uint32_t>(key >> 4) & 0xFFFFF;
}
/// Below an entry at `shift`.
constexpr std::uint32_t shift_below(std::uint32_t shift) noexcept {
    return shift < 6 ? 0 : shift - 6;
}

constexpr std::uint32_t way_at(std::uint32_t id, std::uint32_t shift) noexcept {
    return (id >> shift) % branch::ways;
}
constexpr std::uint32_t place_in_leaf(std::uint32_t id) noexcept { return id % leaf::ways; }

/// The leaf that binds `key`, if one does; else nullptr, or any other leaf: the bits of a key beyond the
/// trie's reach are not looked at, so the caller must compare the key that it finds. nullptr also if
/// accepts(part) refuses a part on the way.
template <class Accepts>
inline leaf* find_leaf(const trie& root, key_type key, const Accepts& accepts) noexcept {
    const auto child = [&](const branch& level, std::uint32_t shift) -> trie_part* {
        // The id's bits; above those of the last level are the descriptor's.
        const std::uint32_t way =
            shift == 16 ? id_of(key) >> 16
                        : static_cast<std::uint32_t>(key >> (4 + shift)) % branch::ways;
        trie_part* const found = level.children[way];
        return found != nullptr && accepts(*found) ? found : nullptr;
    };
    const branch* level = &root;
    if (root.shift != 4) {
        if (root.shift != 10) [[unlikely]] {
            level = static_cast<const branch*>(child(*level, 16));
            if (level == nullptr)
                return nullptr;
        }
        level = static_cast<const branch*>(child(*level, 10));
        if (level == nullptr)
            return nullptr;
    }
    return static_cast<leaf*>(child(*level, 4));
}

/// The cell of `key` in a map's rest, or nullptr.
inline const cell* find_in_rest(const trie& rest, key_type key) noexcept {
    const leaf* last = find_leaf(rest, key, [](const trie_part&) { return true; });
    if (last == nullptr)
        return nullptr;
    const cell& place = last->place_of(key);
    return place.key == key ? &place : nullptr;
}

/// The same, of a map that has a rest. That question is asked without loading the answer, which would
/// take an instruction more where there is none: for the compiler, this is another map.
inline const cell* find_far(const map* map, key_type key) noexcept {
    __asm__("" : "+r"(map));
    return find_in_rest(*map->rest, key);
}

inline const cell* find(const map& map, key_type key) noexcept {
    const cell& place = map.place_of(key);
    if (place.key == key) [[likely]]
        return &place;
    return map.rest == nullptr ? nullptr : find_in_rest(*map.rest, key);
}

} // namespace contextvars::inline v0::detail

#endif
