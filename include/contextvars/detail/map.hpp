// SPDX-License-Identifier: MIT
//
// The part of a map that the inline lookup must see: its head and the cells that follow it.
// docs/storage.md and src/storage/map_operations.hpp describe the structure, and give the reasons.
#ifndef CONTEXTVARS_DETAIL_MAP_HPP
#define CONTEXTVARS_DETAIL_MAP_HPP

#include <contextvars/config.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace contextvars::inline v0::detail {

/// The identity of one variable in the maps. It is never used again for another variable.
///   bit 0       the value is in a node (else in the cell itself)
///   bit 2       the binding is not captured
///   bits 1, 3   0
///   bits 4..23  id: small and dense, used again when its variable is gone
///   bits 24..43 descriptor: the name and type, interned
///   bits 44..63 generation: how often the id was used again, plus 1; so no key is 0
using key_type = std::uint64_t;

/// The identity of a context. A context is given one when a token must remember it. It is never 0,
/// and its two low bits are 0.
using identity_type = std::uint64_t;
inline constexpr identity_type identity_step = 4;

inline constexpr key_type no_key = 0;      ///< the key of an empty cell
inline constexpr key_type unbound_key = 2; ///< the key of a variable never bound: no cell has it

/// The contents of a cell, or of a token: the value itself, or the address of the value in its
/// node.
struct word {
    alignas(8) std::byte bytes[8];
};

struct cell {
    key_type key;
    word value;
};

// The trie on ids. It has the bindings that found their place in the table taken. Several tries may
// share a part, so each part counts the references to it. A copy of a part does not count yet the
// things that it then shares with the old one.

struct trie_part {
    explicit trie_part(std::uint32_t of_ids) noexcept : shift(of_ids) {}

    std::atomic<std::uint32_t> references{1}; // the orders: src/storage/counts.hpp
    const std::uint32_t shift; ///< of an id, which gives the way: 16, 10 or 4; in a leaf 0
};

struct leaf : trie_part {
    static constexpr std::uint32_t ways = 16;

    leaf() noexcept : trie_part(0), cells{} {}
    explicit leaf(const leaf& old) noexcept;

    std::array<cell, ways> cells;

    const cell& place_of(key_type key) const noexcept {
        // In bytes, which takes two instructions less: a key has its id at bit 4, and a cell has 16
        // bytes.
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

/// The root, with all that a map has besides its table.
struct trie : branch {
    /// Makes a trie that reaches an id.
    explicit trie(std::uint32_t id) noexcept
        : branch(id < 1U << 10   ? 4U
                 : id < 1U << 16 ? 10U
                                 : 16U) {}
    explicit trie(const trie& old) noexcept : branch(old), dead(old.dead) {}
    /// Makes a trie that reaches 64 times as far as `old`, whose parts are in `below` now.
    trie(const trie& old, branch& below) noexcept : branch(old.shift + 6), dead(old.dead) {
        children[0] = &below;
    }

    /// Returns: the first id that has no place here.
    std::uint32_t limit() const noexcept { return ways << shift; }

    dead_binding* dead = nullptr; ///< bindings whose variable is gone and whose place was needed
};

/// The writer of a map may change the map in place without asking. A writer is one frame, and that
/// only while the map is the current one (see src/current/context_var.cpp); or nobody. A map
/// without a writer may have an edition: maps of one edition have the same bindings. Both are one
/// word, since the inline set and reset ask one question about it.
class map_writer {
public:
    static constexpr map_writer frame(identity_type identity) noexcept {
        return map_writer(identity);
    }
    static constexpr map_writer nobody() noexcept { return map_writer(1); }
    /// Nobody, with an edition. The number is an identity that no frame has; or 0, for the empty
    /// map.
    static constexpr map_writer edition(identity_type number) noexcept {
        return map_writer(number | edition_bits);
    }
    /// Nobody, with the edition if this has one.
    constexpr map_writer without_frame() const noexcept { return map_writer(bits_ | 1); }

    constexpr bool is_frame() const noexcept { return (bits_ & 1) == 0; }
    constexpr bool is_frame(identity_type identity) const noexcept { return bits_ == identity; }
    /// Precondition: the writer is a frame.
    constexpr identity_type identity() const noexcept {
        CONTEXTVARS_ASSERT(is_frame());
        return bits_;
    }

    constexpr bool has_edition() const noexcept { return (bits_ & 2) != 0; }
    /// Whether both have an edition, and the same one. In one branch: two take 4 % of the time of a
    /// hop in Asio.
    friend constexpr bool same_edition(map_writer a, map_writer b) noexcept {
        return ((a.bits_ ^ b.bits_) | (~a.bits_ & edition_bits)) == 0;
    }

    friend constexpr bool operator==(map_writer, map_writer) noexcept = default;

private:
    constexpr explicit map_writer(identity_type bits) noexcept : bits_(bits) {}

    static constexpr identity_type edition_bits = 3;

    identity_type bits_; // an identity, whose two low bits are 0; or 1; or an edition
};

/// The head of a map. `capacity` cells follow it. A key's place among them is its id modulo the
/// capacity, which is a power of two up to 64. A binding whose place is taken is in `rest`.
struct alignas(16) map { // four bits of its address are free for marks
    std::uint32_t reach; ///< (capacity - 1) << 4: masks a key to 16 * its place
    std::uint32_t size;  ///< bits 0..23: bindings, those in rest included; bits 24..31: how many
                         ///< suppress_flow() guards the context has
    std::atomic<std::uint32_t> references; ///< 1: its holder may change it in place
    std::uint8_t nodes; ///< bits 0..6: cells (without rest's) whose value is in a node; bit 7: a
                        ///< capture may not be to have all that is here
    trie* rest;         ///< nullptr as long as every key has found its place
    map_writer writer;

    /// Returns: the offset of a key's place from the first cell, in bytes.
    std::size_t offset_of(key_type key) const noexcept {
        return static_cast<std::uint32_t>(key) & reach;
    }
    // The key and the value at an offset. They are not read by way of the cell, whose address would
    // then be computed apart.
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

inline constexpr std::uint8_t partly_captured = 0x80; // of map::nodes
inline bool is_captured_whole(const map& map) noexcept { return map.nodes < partly_captured; }

/// Lets others share the map from now on. If the map has no writer, it is not written to: others
/// may share it already.
inline void freeze(map& map) noexcept {
    if (map.writer.is_frame())
        map.writer = map_writer::nobody();
}

struct empty_map_storage {
    map head;
    cell place;
};
extern CONTEXTVARS_EXPORT constinit empty_map_storage the_empty_map;

/// The map that every empty context shares. It is never counted and never changed.
constexpr map* empty_map() noexcept { return &the_empty_map.head; }

constexpr std::uint32_t id_of(key_type key) noexcept {
    return static_cast<std::uint32_t>(key >> 4) & 0xFFFFF;
}
/// Returns: the shift of a part whose parent has `shift`.
constexpr std::uint32_t shift_below(std::uint32_t shift) noexcept {
    return shift < 6 ? 0 : shift - 6;
}

constexpr std::uint32_t way_at(std::uint32_t id, std::uint32_t shift) noexcept {
    return (id >> shift) % branch::ways;
}
constexpr std::uint32_t place_in_leaf(std::uint32_t id) noexcept { return id % leaf::ways; }

/// Returns: the leaf that binds `key`, if there is one; else nullptr, or any other leaf. The bits
/// of a key beyond the trie's reach are not looked at, so the caller must compare the key that it
/// finds. If accepts(part) refuses a part on the way, returns nullptr.
template <class Accepts>
inline leaf* find_leaf(const trie& root, key_type key, const Accepts& accepts) noexcept {
    const auto child = [&](const branch& level, std::uint32_t shift) -> trie_part* {
        // These are bits of the id. Above those of the last level are the descriptor's.
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

/// Returns: the cell of `key` in a map's rest, or nullptr.
inline const cell* find_in_rest(const trie& rest, key_type key) noexcept {
    const leaf* last = find_leaf(rest, key, [](const trie_part&) { return true; });
    if (last == nullptr)
        return nullptr;
    const cell& place = last->place_of(key);
    return place.key == key ? &place : nullptr;
}

/// The same for a map that has a rest. The caller tests `rest` without loading it, since a load
/// would take an instruction more if there is none. For that, the compiler must take this map for
/// another one.
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
