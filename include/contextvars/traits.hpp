// SPDX-License-Identifier: MIT
//
// The library's questions about the type of a value: where is the value stored, are values compared
// with ==, are they printed with <<? The last two answers may be specialised for a user's own type.
//
// A file that makes a variable asks whether the variable's type has == or <<. The answer holds for
// the program, not for the file: one file that sees the operator is enough. So all code that
// depends on the answer is in templates that have the answer as an argument (see
// detail::operators).
//
// A file need not include <ostream>. If it does not, std::ostream is incomplete in it, and the
// bodies of templates that print may not be instantiated. So such a file looks only for functions
// that print, not for templates.
#ifndef CONTEXTVARS_TRAITS_HPP
#define CONTEXTVARS_TRAITS_HPP

#include <contextvars/config.hpp>

#include <concepts>
#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

/// Whether values of T live in the map itself (no allocation) and are returned by value. The
/// library copies them whenever it needs to. So a write to a mutable member, by way of try_get(),
/// may be seen in other contexts or not.
template <class T>
inline constexpr bool stored_inline =
    std::is_trivially_copyable_v<T> && std::is_copy_constructible_v<T> && sizeof(T) <= 8 &&
    alignof(T) <= 8;

namespace detail {

/// Whether U is a floating-point type and T an integer, or T is bool and U a pointer or a type that
/// becomes one: an array, a function, a lambda without captures. C++ converts these implicitly.
/// This library asks for a cast.
template <class U, class T>
concept needs_a_static_cast_to =
    (std::is_integral_v<T> && std::is_floating_point_v<U>) ||
    (std::is_same_v<T, bool> &&
     (std::is_pointer_v<decltype(+std::declval<U&>())> || std::is_member_pointer_v<U>));

template <class T>
concept text = std::same_as<T, std::string> || std::same_as<T, std::string_view> ||
               std::same_as<T, const char*> || std::same_as<T, char*>;

template <class T, class... U>
concept one_of = (std::same_as<T, U> || ...);

template <class T>
concept number =
    one_of<T, bool, char, signed char, unsigned char, short, unsigned short, int, unsigned, long,
           unsigned long, long long, unsigned long long, float, double, long double>;

/// The name of T, as the compiler writes it in messages.
template <class T>
consteval auto readable_name() noexcept {
    std::string_view name = __PRETTY_FUNCTION__;
    name.remove_prefix(name.find("T = ") + 4);
    name.remove_suffix(1);
    return name;
}

template <class T>
concept in_standard_library = readable_name<T>().starts_with("std::");

// Types of the standard library whose << is a template of the stream. src/current/print.cpp prints
// the first ones. They are recognised by name, so that their headers need not be included.
template <class T>
concept printed_by_library =
    std::is_class_v<T> && in_standard_library<T> &&
    (readable_name<T>() == "std::error_code" || readable_name<T>() == "std::thread::id" ||
     (readable_name<T>().starts_with("std::filesystem::") &&
      readable_name<T>().ends_with("::path")));
template <class T>
inline constexpr bool is_string = false;
template <class Allocator>
inline constexpr bool is_string<std::basic_string<char, std::char_traits<char>, Allocator>> = true;
/// std::unique_ptr, std::shared_ptr.
template <class T>
concept owning_pointer =
    requires { typename T::element_type; } &&
    (requires(const T& p) { p.get_deleter(); } || requires { typename T::weak_type; }) &&
    requires(const T& p) { requires std::is_pointer_v<decltype(p.get())>; } &&
    in_standard_library<T>;
/// std::bitset.
template <class T>
concept bits = requires(const T& b) {
    typename T::reference;
    b.to_ullong();
    { b.to_string() } -> std::same_as<std::string>;
} && in_standard_library<T>;

// Types whose operators the library knows in every file. For pointers it does not even look for
// them: that would instantiate the class templates in the types that they point to.
template <class T>
concept known_equality = std::is_scalar_v<T> || text<T>;
template <class T>
concept known_printing = number<T> || std::is_pointer_v<T> || std::is_null_pointer_v<T> ||
                         text<T> || (std::is_enum_v<T> && std::is_convertible_v<T, int>) ||
                         is_string<T> || owning_pointer<T> || bits<T> || printed_by_library<T>;

template <class T>
concept has_equality = known_equality<T> || requires(const T& a, const T& b) {
    { a == b } -> std::convertible_to<bool>;
};

/// Whether a file that asks about T includes <ostream>.
template <class T>
concept sees_ostream = requires { sizeof(std::conditional_t<std::is_void_v<T>, T, std::ostream>); };

/// Stands for a value, and lets no template deduce its type.
template <class T>
struct like {
    const T& value;
    operator const T&() const noexcept { return value; }
};

/// Belongs to the namespaces of T, but converts to nothing.
template <class T>
struct unrelated {};

/// Converts to T and to nothing else. So it finds the operators that are declared for T itself, but
/// not those for T's bases and for other types that T converts to.
template <class T>
struct only {
    template <std::same_as<T> U>
    operator U() const;
};

// A namespace may have an operator template that takes everything, deduces its result from its
// body, and has a body for the namespace's own types only. If it is called with an `only`, its body
// is an error, and no concept can ask about that. So the first call is with a twin of the template
// beside it. Then neither overload is better than the other, and neither body is looked into. Each
// twin has the less specialised twins as bases: a template that is more specialised than its twin
// would be chosen.
struct twin_of_any_two {
    template <class A, class B>
    friend void operator==(A, B);
};
struct twin_of_two_alike : twin_of_any_two {
    template <class A>
    friend void operator==(A, A);
};
struct twin_for_all {
    template <class Stream, class A>
    friend void operator<<(Stream&&, A);
};
struct twin_for_lvalues : twin_for_all {
    template <class Stream, class A>
    friend void operator<<(Stream&, A);
};
struct twin_for_streams : twin_for_lvalues {
    template <class Char, class Traits, class A>
    friend void operator<<(std::basic_ostream<Char, Traits>&, A);
};
struct twin_for_ostream : twin_for_streams {
    template <class A>
    friend void operator<<(std::ostream&, A);
};

template <class T, class Twin>
struct only_beside : only<T>, Twin {};
template <class T, class Twin>
struct like_beside : like<T>, Twin {};

// Here and below, the right side of && is looked at only if the left side holds.
template <class T, class Twin>
concept no_template_equals = requires(const only_beside<T, Twin>& a) { a == a; };
template <class T, class Twin>
concept no_template_prints =
    requires(std::ostream& out, const only_beside<T, Twin>& value) { out << value; };

// For a file without <ostream>. No template can deduce the stream's type from a list. Templates
// that take any value have a twin, and templates for a class template do not accept a `like`. A
// function may have a parameter that can be made of anything, also of a `like`: if there is such a
// function, none is called. Friends in a class template are functions, but their bodies are
// instantiated as those of templates. So no class template is asked about, except those of the
// standard library, which have no such friends.
template <class T, template <class, class> class Stand, class Value>
concept function_takes = requires(std::ostream& out, const Stand<T, twin_for_ostream>& value) {
    operator<<({out}, value);
} && requires(std::ostream& out, const Value& value) {
    { operator<<({out}, value) } -> std::same_as<std::ostream&>;
};
template <class T>
concept function_prints =
    (std::is_class_v<T> || std::is_union_v<T> || std::is_enum_v<T>) &&
    (in_standard_library<T> || readable_name<T>().find('<') == std::string_view::npos) &&
    function_takes<T, like_beside, like<T>> &&
    !requires(std::ostream& out, const unrelated<T>& value) { operator<<({out}, value); };
template <class T>
concept own_function_prints = function_prints<T> && function_takes<T, only_beside, only<T>>;

template <class T>
concept has_printing = known_printing<T> ||
                       (sees_ostream<T> && !std::is_member_pointer_v<T> &&
                        requires(std::ostream& out, const T& value) { out << value; }) ||
                       (!sees_ostream<T> && function_prints<T>);

// One file may see an operator of the type's own, while another sees only one of its base. For an
// enumeration, functions are looked for besides, since the operators that the language gives it are
// no functions. If an enumeration is stored as a character, the << of the standard library for
// characters is not its own.
template <class T>
concept own_equality =
    (no_template_equals<T, twin_of_two_alike> && no_template_equals<T, twin_of_any_two> &&
     requires(const only<T>& a) {
         { a == a } -> std::convertible_to<bool>;
     }) ||
    (std::is_enum_v<T> && requires(const T& a) {
        { operator==(a, a) } -> std::convertible_to<bool>;
    });
template <class T>
concept own_printing =
    (no_template_prints<T, twin_for_ostream> && no_template_prints<T, twin_for_streams> &&
     no_template_prints<T, twin_for_lvalues> && no_template_prints<T, twin_for_all> &&
     requires(std::ostream& out, const only<T>& value) { out << value; }) ||
    (std::is_enum_v<T> && requires(std::ostream& out, const T& value) { operator<<(out, value); } &&
     !requires(std::ostream& out, std::underlying_type_t<T> value) { operator<<(out, value); });

/// The kind of operator that a file sees for T.
enum class seen { nothing, something, its_own, function, its_own_function };
constexpr bool is_own(seen seen) noexcept {
    return seen == seen::its_own || seen == seen::its_own_function;
}
constexpr bool is_function(seen seen) noexcept {
    return seen == seen::function || seen == seen::its_own_function;
}

// The library's own question about the parts of a composite. The composite's own == and << are
// often declared for every element type, and fail only when they are instantiated.
struct ask_equality {
    template <class T>
    static constexpr bool itself = has_equality<T>;
    template <class T>
    static constexpr bool of() noexcept;
};
struct ask_printing {
    template <class T>
    static constexpr bool itself = has_printing<T>;
    template <class T>
    static constexpr bool of() noexcept;
};

template <class T>
concept container = requires { typename T::value_type; } && requires(const T& c) { c.begin(); };

/// std::stack, std::queue, std::priority_queue.
template <class T>
concept container_adaptor = !container<T> && requires { typename T::value_type; } &&
                            requires { typename T::container_type; };

template <class T>
inline constexpr bool is_composite = container<T> || container_adaptor<T>;
template <class A, class B>
inline constexpr bool is_composite<std::pair<A, B>> = true;
template <class... T>
inline constexpr bool is_composite<std::tuple<T...>> = true;
template <class T>
inline constexpr bool is_composite<std::optional<T>> = true;
// <variant> is not included: a type with this function of a variant is one.
template <class T>
concept variant = requires(const T& v) { v.valueless_by_exception(); };
template <template <class...> class V, class... T>
    requires variant<V<T...>>
inline constexpr bool is_composite<V<T...>> = true;

/// Whether the answer is yes for all parts of T. `Within` are the composites that T is a part of,
/// itself included: a type may contain itself (a tree, a JSON value), and is asked about once.
template <class T, class Ask, class... Within>
inline constexpr bool parts_agree = true;

template <class T, class Ask, class... Within>
constexpr bool part_agrees() noexcept {
    using part = std::remove_cvref_t<T>;
    if constexpr ((std::same_as<part, Within> || ...))
        return true;
    else if constexpr (is_composite<part>)
        return parts_agree<part, Ask, Within..., part> && Ask::template itself<part>;
    else
        return Ask::template of<part>();
}

template <class T, class Ask, class... Within>
    requires container<T> || container_adaptor<T>
inline constexpr bool parts_agree<T, Ask, Within...> =
    part_agrees<typename T::value_type, Ask, Within...>();

template <class A, class B, class Ask, class... Within>
inline constexpr bool parts_agree<std::pair<A, B>, Ask, Within...> =
    part_agrees<A, Ask, Within...>() && part_agrees<B, Ask, Within...>();

template <class... T, class Ask, class... Within>
inline constexpr bool parts_agree<std::tuple<T...>, Ask, Within...> =
    (part_agrees<T, Ask, Within...>() && ...);

template <class T, class Ask, class... Within>
inline constexpr bool parts_agree<std::optional<T>, Ask, Within...> =
    part_agrees<T, Ask, Within...>();

template <template <class...> class V, class... T, class Ask, class... Within>
    requires variant<V<T...>>
inline constexpr bool parts_agree<V<T...>, Ask, Within...> =
    (part_agrees<T, Ask, Within...>() && ...);

} // namespace detail

/// Whether contexts compare values of T with ==. If not, a value is equal only to itself.
/// By default: whether T has ==. For standard containers, pair, tuple, optional and variant, also
/// whether their elements have it, since their own == is declared for every element type.
/// May be specialised.
/// Declare == beside its type. One file that makes a variable and sees == there is enough. But
/// until that file is initialised, before main, values that are not identical are unequal. The
/// question instantiates the types that T's template arguments name, as any use of an operator
/// does. If there is a specialisation, the question is not asked.
template <class T>
inline constexpr bool enable_equality =
    detail::parts_agree<T, detail::ask_equality, T> && detail::has_equality<T>;

/// Whether values of T are printed with <<. If not, the name of the type stands for them.
/// By default: whether T has <<, and its elements as above. May be specialised.
/// Declare << beside its type, as ==. If << is a template, include <ostream> in one file that makes
/// a variable, since files without <ostream> look for functions only. Pointers print as addresses,
/// but text prints as text.
template <class T>
inline constexpr bool enable_printing =
    detail::parts_agree<T, detail::ask_printing, T> && detail::has_printing<T>;

template <class T>
constexpr bool detail::ask_equality::of() noexcept {
    return enable_equality<T>;
}

template <class T>
constexpr bool detail::ask_printing::of() noexcept {
    return enable_printing<T>;
}

} // namespace contextvars::inline v0

#endif
