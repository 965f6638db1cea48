// SPDX-License-Identifier: MIT
//
// How a value of a type unknown to the maps is stored, destroyed, compared and printed.
#ifndef CONTEXTVARS_DETAIL_VALUE_HPP
#define CONTEXTVARS_DETAIL_VALUE_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/map.hpp>
#include <contextvars/traits.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <ostream>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace contextvars::inline v0::detail {

struct type_operations {
    const std::type_info* type;
    std::size_t size;
    std::size_t alignment;
    bool in_node;                              ///< not stored_inline
    void (*destroy)(void*) noexcept;           ///< nullptr: nothing to do
    bool (*equal)(const void*, const void*);   ///< nullptr: only a value and itself are equal
    void (*print)(std::ostream&, const void*); ///< nullptr: the type's name stands for it
};

template <class T>
inline constexpr type_operations operations_of = {
    &typeid(T),
    sizeof(T),
    alignof(T),
    !stored_inline<T>,
    [] {
        void (*destroy)(void*) noexcept = nullptr;
        if constexpr (!std::is_trivially_destructible_v<T>)
            destroy = [](void* value) noexcept { std::destroy_at(static_cast<T*>(value)); };
        return destroy;
    }(),
    [] {
        bool (*equal)(const void*, const void*) = nullptr;
        if constexpr (enable_equality<T>)
            equal = [](const void* a, const void* b) -> bool {
                return *static_cast<const T*>(a) == *static_cast<const T*>(b);
            };
        return equal;
    }(),
    [] {
        void (*print)(std::ostream&, const void*) = nullptr;
        if constexpr (enable_printing<T>)
            print = [](std::ostream& out, const void* value) {
                out << *static_cast<const T*>(value);
            };
        return print;
    }(),
};

/// Before each value that is not stored inline. Shared by the maps and tokens that hold it.
struct alignas(16) node_head {
    std::atomic<std::uint32_t> references;
    const type_operations* operations;
};

/// Returns: room for a value, with a node_head before it that counts one reference.
/// Throws: std::bad_alloc.
[[nodiscard]] CONTEXTVARS_EXPORT void* allocate_node(const type_operations& operations);
/// Gives back what allocate_node returned, where no value was constructed in it.
CONTEXTVARS_EXPORT void deallocate_node(void* value) noexcept;
/// Drops one reference; the last destroys the value, which may call anything in this library.
CONTEXTVARS_EXPORT void release_node(void* value) noexcept;

inline word word_of_node(void* value) noexcept {
    word word{};
    std::memcpy(word.bytes, &value, sizeof value);
    return word;
}

inline void* node_of(const word& word) noexcept {
    void* value;
    std::memcpy(&value, word.bytes, sizeof value);
    return value;
}

/// A word with a reference of its own, for as long as no map has taken it over.
template <class T>
class new_word {
public:
    template <class... Args>
    explicit new_word(Args&&... args) {
        if constexpr (stored_inline<T>) {
            const T value = made(std::forward<Args>(args)...);
            std::memcpy(word_.bytes, std::addressof(value), sizeof(T));
        } else {
            void* storage = allocate_node(operations_of<T>);
            try {
                ::new (storage) T(std::forward<Args>(args)...);
            } catch (...) {
                deallocate_node(storage);
                throw;
            }
            word_ = word_of_node(storage);
            owned_ = true;
        }
    }
    new_word(const new_word&) = delete;
    new_word& operator=(const new_word&) = delete;
    ~new_word() {
        if (owned_)
            release_node(node_of(word_));
    }

    const word& get() const noexcept { return word_; }
    void taken_over() noexcept { owned_ = false; }

private:
    template <class... Args>
    static T made(Args&&... args) {
        // Converting is what the caller asked for: no warning about it from in here.
        if constexpr (std::is_arithmetic_v<T> && sizeof...(Args) == 1)
            return static_cast<T>((std::forward<Args>(args), ...));
        else
            return T(std::forward<Args>(args)...);
    }

    word word_{};
    bool owned_ = false;
};

/// The value in a word that lives as long as the pointer is used.
template <class T>
const T* value_in(const word& word) noexcept {
    if constexpr (stored_inline<T>)
        return reinterpret_cast<const T*>(word.bytes);
    else
        return static_cast<const T*>(node_of(word));
}

inline const void* value_in(const word& word, const type_operations& operations) noexcept {
    return operations.in_node ? node_of(word) : static_cast<const void*>(word.bytes);
}

} // namespace contextvars::inline v0::detail

#endif
