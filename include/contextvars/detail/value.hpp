// SPDX-License-Identifier: MIT
//
// How a value is stored, destroyed, compared and printed, although the maps do not know its type.
#ifndef CONTEXTVARS_DETAIL_VALUE_HPP
#define CONTEXTVARS_DETAIL_VALUE_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/map.hpp>
#include <contextvars/traits.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iosfwd>
#include <new>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace contextvars::inline v0::detail {

struct type_operations;

/// Stands before each value that is not stored inline. The maps and tokens that hold the value
/// share it.
struct alignas(16) node_head {
    std::atomic<std::uint64_t> references; ///< if there are none, room for node.cpp's list
    const type_operations* operations;
};

/// Memory is kept in blocks (see src/storage/blocks.hpp). A block of class c has 32 * (c + 1)
/// bytes.
constexpr std::size_t block_class(std::size_t bytes) noexcept { return (bytes - 1) / 32; }
/// The class of values that need more alignment than blocks have.
inline constexpr std::size_t no_block_class = static_cast<std::size_t>(-1);

using equal_function = bool (*)(const void*, const void*);
using print_function = void (*)(std::ostream&, const void*);

struct type_operations {
    const std::type_info* type;
    std::size_t offset_in_node; ///< of the value, just behind node_head; also its alignment
    std::size_t size_of_node;
    std::size_t class_of_node;
    bool in_node;                    ///< not stored_inline
    void (*destroy)(void*) noexcept; ///< nullptr: nothing to do
    // `operators` fills these in. Relaxed: a reader looks at nothing but the function.
    std::atomic<equal_function> equal; ///< nullptr: only a value and itself are equal
    std::atomic<print_function> print; ///< nullptr: the type's name stands for it

    std::size_t size() const noexcept { return size_of_node - offset_in_node; }
};

template <class T>
inline constexpr std::size_t offset_in_node = alignof(T) > sizeof(node_head) ? alignof(T)
                                                                             : sizeof(node_head);

/// As std::addressof, which would need <memory>.
template <class T>
constexpr T* address_of(T& object) noexcept {
    return __builtin_addressof(object);
}

/// Prints `0x…`, whatever the stream's flags.
CONTEXTVARS_EXPORT void print_address(std::ostream& out, const void* address);
CONTEXTVARS_EXPORT void print_text(std::ostream& out, std::string_view text);
template <class T>
CONTEXTVARS_EXPORT void print_number(std::ostream& out, T number);
/// Prints a value that is printed_by_library.
CONTEXTVARS_EXPORT void print_by_library(std::ostream& out, const std::type_info& type,
                                         const void* value);

// The operator by which they compare or print is in their names, since two files may see different
// ones.
template <class T, seen = seen::something>
bool equal_values(const void* a, const void* b) {
    return *static_cast<const T*>(a) == *static_cast<const T*>(b);
}

template <class T, seen by = seen::something>
void print_value_by_operator(std::ostream& out, const void* value) {
    const T& printed = *static_cast<const T*>(value);
    if constexpr (is_function(by)) {
        const like<T> stand{printed};
        operator<<({out}, stand); // the operator that has been found
    } else {
        out << printed;
    }
}

template <class T>
void print_pointer(std::ostream& out, T pointer) {
    if (pointer == nullptr) // a pointer to characters is no text then
        print_text(out, "nullptr");
    else if constexpr (text<T>)
        print_text(out, pointer);
    else if constexpr (std::is_function_v<std::remove_pointer_t<T>>)
        print_address(out, reinterpret_cast<const void*>(pointer));
    else
        print_address(out, const_cast<const void*>(static_cast<const volatile void*>(pointer)));
}

/// Prints a value of a type that satisfies known_printing.
template <class T>
void print_known_value(std::ostream& out, const void* value) {
    const T& printed = *static_cast<const T*>(value);
    if constexpr (std::is_enum_v<T>)
        print_number(out, +static_cast<std::underlying_type_t<T>>(printed));
    else if constexpr (number<T>)
        print_number(out, printed);
    else if constexpr (std::is_pointer_v<T>)
        detail::print_pointer(out, printed); // qualified: the types' namespaces are not searched
    else if constexpr (std::is_null_pointer_v<T>)
        print_text(out, "nullptr");
    else if constexpr (owning_pointer<T>)
        detail::print_pointer(out, printed.get());
    else if constexpr (bits<T>)
        print_text(out, printed.to_string());
    else if constexpr (printed_by_library<T>)
        print_by_library(out, typeid(T), value);
    else
        detail::print_text(out, printed);
}

/// This is the same in every file. So it has `equal` and `print` only if every file knows them.
template <class T>
inline constinit type_operations operations_of = {
    &typeid(T),
    offset_in_node<T>,
    offset_in_node<T> + sizeof(T),
    offset_in_node<T> > __STDCPP_DEFAULT_NEW_ALIGNMENT__
        ? no_block_class
        : block_class(offset_in_node<T> + sizeof(T)),
    !stored_inline<T>,
    [] {
        void (*destroy)(void*) noexcept = nullptr;
        if constexpr (!std::is_trivially_destructible_v<T>)
            destroy = [](void* value) noexcept { static_cast<T*>(value)->~T(); };
        return destroy;
    }(),
    [] {
        equal_function equal = nullptr;
        if constexpr (known_equality<T> && enable_equality<T>)
            equal = equal_values<T>;
        return equal;
    }(),
    [] {
        print_function print = nullptr;
        if constexpr (known_printing<T> && enable_printing<T>)
            print = print_known_value<T>;
        return print;
    }(),
};

template <class T>
consteval seen equality_seen() noexcept {
    if constexpr (!enable_equality<T> || (known_equality<T> && !std::is_enum_v<T>))
        return seen::nothing;
    else if constexpr (own_equality<T>)
        return seen::its_own;
    else
        return known_equality<T> ? seen::nothing : seen::something;
}
template <class T>
consteval seen printing_seen() noexcept {
    if constexpr (!enable_printing<T> || (known_printing<T> && !std::is_enum_v<T>))
        return seen::nothing;
    else if constexpr (!sees_ostream<T>)
        return own_function_prints<T>                     ? seen::its_own_function
               : function_prints<T> && !known_printing<T> ? seen::function
                                                          : seen::nothing;
    else if constexpr (own_printing<T>)
        return seen::its_own;
    else
        return known_printing<T> ? seen::nothing : seen::something;
}

/// Puts the functions that are not nullptr into the operations of a type. A function of the type's
/// own replaces any other, whichever file comes first; another one is put there only if there is
/// none. If the operations lie in another module, the functions' module stays loaded.
CONTEXTVARS_EXPORT void put_operators(type_operations& operations, equal_function equal,
                                      bool own_equal, print_function print,
                                      bool own_print) noexcept;

/// Puts the operators of T that a file sees into operations_of<T>, when that file is initialised.
template <class T, seen equality, seen printing>
struct operators {
    static const bool in_place;
};
template <class T, seen equality, seen printing>
const bool operators<T, equality, printing>::in_place = [] {
    equal_function equal = nullptr;
    if constexpr (equality != seen::nothing)
        equal = equal_values<T, equality>;
    print_function print = nullptr;
    if constexpr (printing != seen::nothing)
        print = print_value_by_operator<T, printing>;
    put_operators(operations_of<T>, equal, is_own(equality), print, is_own(printing));
    return true;
}();

/// Returns: operations_of<T>, with the operators of T that the file sees at the first call.
template <class T, seen equality = equality_seen<T>(), seen printing = printing_seen<T>()>
constexpr const type_operations& operations_with_operators() noexcept {
    if constexpr (equality != seen::nothing || printing != seen::nothing)
        static_cast<void>(&operators<T, equality, printing>::in_place); // so that it exists
    return operations_of<T>;
}

/// Whether another type in another file may have the same name: the type is in an anonymous
/// namespace, is a closure, or is local to a static function. (For g++ such types differ. clang
/// gives them plain names.)
CONTEXTVARS_EXPORT bool is_named_in_one_file(const char* mangled) noexcept;

/// Whether a value of one type may be used as one of the other. The types may come from two
/// modules, so they are compared by name. If a name is for one file only, they are compared by
/// address.
inline bool same_type(const std::type_info& a, const std::type_info& b) noexcept {
// == of libc++ compares addresses, and a hidden type_info has one in each module.
#if defined(_LIBCPP_VERSION)
    return &a == &b || (std::strcmp(a.name(), b.name()) == 0 && !is_named_in_one_file(a.name()));
#else
    return &a == &b || (a == b && !is_named_in_one_file(a.name()));
#endif
}

/// Returns: room for a value, with a node_head before it that counts one reference.
/// Throws: std::bad_alloc.
[[nodiscard]] CONTEXTVARS_EXPORT void* allocate_node(const type_operations& operations);
/// Gives back memory of allocate_node in which no value was constructed.
CONTEXTVARS_EXPORT void deallocate_node(void* value) noexcept;
/// Adds one reference.
CONTEXTVARS_EXPORT void share_node(void* value) noexcept;
/// Adds one reference. Precondition: no other thread can use the reference that the caller has.
inline void share_own_node(void* value) noexcept {
    std::atomic<std::uint64_t>& references = static_cast<node_head*>(value)[-1].references;
    // If there is only one, nobody else adds or drops one. Acquire: pairs with the release of a
    // thread that dropped one before. The thread that drops the last one will read this store
    // instead, and so does not synchronise with that thread itself.
    if (references.load(std::memory_order_acquire) == 1) [[likely]]
        references.store(2, std::memory_order_relaxed);
    else
        share_node(value);
}
/// Drops one reference. The last one destroys the value, which may call anything in this library.
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

/// A value in a node of its own, until a map takes it over.
template <class T>
class new_node {
public:
    /// The operations are those of the variable, which may lie in another module than this code.
    /// The value may outlive this module.
    template <class... Args>
    explicit new_node(const type_operations& operations, Args&&... args)
        : storage_(allocate_node(operations)) {
        try {
            ::new (storage_) T(std::forward<Args>(args)...);
        } catch (...) {
            deallocate_node(storage_);
            throw;
        }
    }
    new_node(const new_node&) = delete;
    new_node& operator=(const new_node&) = delete;
    ~new_node() {
        if (storage_ != nullptr)
            release_node(storage_);
    }

    void* get() const noexcept { return storage_; }
    void taken_over() noexcept { storage_ = nullptr; }

private:
    void* storage_;
};

/// Returns: a word that holds a T. Precondition: T is stored inline.
template <class T, class... Args>
word word_of(Args&&... args) {
    const auto made = [&]() -> T {
        // The caller has asked for the conversion, so it must not cause a warning in here.
        if constexpr (std::is_arithmetic_v<T> && sizeof...(Args) == 1)
            return static_cast<T>((std::forward<Args>(args), ...));
        else
            return T(std::forward<Args>(args)...);
    };
    const T value = made();
    word word{};
    std::memcpy(word.bytes, detail::address_of(value), sizeof(T));
    return word;
}

/// Returns: the value in a word. Precondition: the word lives as long as the pointer is used.
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
