// SPDX-License-Identifier: MIT
//
// How a value becomes one of a variable's type, and types whose own declarations are in the way.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <any>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using TypesTest = contextvars_tests::Isolated;

namespace {

template <class T, class U>
concept can_set =
    requires(const cv::ContextVar<T>& v, U&& value) { v.set(std::forward<U>(value)); };
template <class T, class U>
concept can_scope =
    requires(const cv::ContextVar<T>& v, U&& value) { v.scoped(std::forward<U>(value)); };
template <class T, class U>
concept can_assign =
    requires(const cv::ContextVar<T>& v, U&& value) { v.to(std::forward<U>(value)); };
template <class T, class U>
concept can_get =
    requires(const cv::ContextVar<T>& v, U&& value) { v.get(std::forward<U>(value)); };
template <class T, class U>
concept can_get_in = requires(const cv::Context& context, const cv::ContextVar<T>& v, U&& value) {
    context.get(v, std::forward<U>(value));
};
/// How many of the ways of giving a value take one.
template <class T, class U>
constexpr int ways = can_set<T, U> + can_scope<T, U> + can_assign<T, U> + can_get<T, U> +
                     can_get_in<T, U> + std::is_constructible_v<cv::ContextVar<T>, const char*, U> +
                     std::is_constructible_v<cv::Scope<T>, const cv::ContextVar<T>&, U>;

static_assert(ways<int, double> == 0 && ways<long, float> == 0 && ways<std::uint8_t, double&> == 0);
static_assert(ways<bool, double> == 0 && ways<char, const float&> == 0);
static_assert(ways<bool, int*> == 0 && ways<bool, const char (&)[3]> == 0);
static_assert(ways<bool, void (&)()> == 0 && ways<bool, int std::string::*> == 0);
static_assert(ways<bool, decltype([] { return true; })> == 0);
static_assert(ways<bool, std::nullptr_t> == 0 && ways<bool, std::unique_ptr<int>> == 0);
static_assert(ways<std::vector<int>, int> == 0 && ways<std::chrono::milliseconds, int> == 0);
static_assert(can_set<std::unique_ptr<int>, std::unique_ptr<int>>);
static_assert(!can_set<std::unique_ptr<int>, int*>);
static_assert(!std::is_constructible_v<cv::ContextVar<std::unique_ptr<int>>, const char*, int*>);

static_assert(ways<int, int> == 7 && ways<double, int> == 7 && ways<std::uint64_t, int> == 7);
static_assert(ways<float, double> == 7 && ways<bool, int> == 7 && ways<bool, bool&> == 7);
static_assert(ways<int*, std::nullptr_t> == 7 && ways<const void*, int*> == 7);
static_assert(ways<std::string, const char (&)[3]> == 7 &&
              ways<std::string_view, std::string&> == 7);
static_assert(ways<std::chrono::milliseconds, std::chrono::seconds> == 7);
static_assert(ways<std::optional<double>, int> == 7 &&
              ways<std::function<void()>, void (&)()> == 7);
static_assert(ways<std::any, double> == 7);

struct Incomplete;
template <class T>
struct Box {
    static_assert(sizeof(T) != 0, "must be complete where this is instantiated");
    T held;
};

} // namespace

// Else they would be asked for operators, in vain.
template <>
inline constexpr bool contextvars::enable_equality<std::shared_ptr<Box<Incomplete>>> = false;
template <>
inline constexpr bool contextvars::enable_printing<std::shared_ptr<Box<Incomplete>>> = false;

namespace {

/// Made of anything that can be copied, implicitly: asked whether it can be copied, it asks again.
class AnyLike {
public:
    AnyLike() = default;
    template <class U>
        requires(!std::same_as<std::decay_t<U>, AnyLike> &&
                 std::copy_constructible<std::decay_t<U>>)
    AnyLike(U&&) : made_of_another(true) {}
    bool made_of_another = false;
};

/// Its == and << exist twice over.
struct Ambiguous {
    int value;
};
struct FromAmbiguous {
    FromAmbiguous(Ambiguous) {}
};
struct FromAmbiguousToo {
    FromAmbiguousToo(Ambiguous) {}
};
[[maybe_unused]] bool operator==(FromAmbiguous, FromAmbiguous) { return true; }
[[maybe_unused]] bool operator==(FromAmbiguousToo, FromAmbiguousToo) { return true; }
[[maybe_unused]] std::ostream& operator<<(std::ostream& out, FromAmbiguous) { return out; }
[[maybe_unused]] std::ostream& operator<<(std::ostream& out, FromAmbiguousToo) { return out; }

/// Equal where its elements are, which are of its own type.
template <class T>
struct List {
    std::vector<T> elements;
    friend bool operator==(const List& a, const List& b)
        requires requires(const T& x) { x.is(x); }
    {
        return a.elements.size() == b.elements.size();
    }
};
struct Node {
    List<Node> children;
    bool is(const Node& other) const { return children == other.children; }
    friend bool operator==(const Node& a, const Node& b) { return a.is(b); }
};
struct SelfConstrained {
    int value;
    template <class U>
        requires std::convertible_to<const U&, const SelfConstrained&> && std::copy_constructible<U>
    bool operator==(const U& other) const {
        return value == other.value;
    }
};

/// Binds, reads, prints, compares and restores. Where a variable itself is an operand, the language
/// looks for operators in all that its type names, and instantiates that.
template <class T, bool is_operand = true>
void use(T value) {
    cv::ContextVar<T> v{"v"};
    cv::Context context;
    context.run([&] { v.set(value); });
    EXPECT_TRUE(context.get(v) != nullptr);
    EXPECT_TRUE(context == context.copy());
    std::ostringstream out;
    out << context;
    if constexpr (is_operand)
        out << v;
    EXPECT_EQ(context.items().size(), 1u);
    for (const auto& [variable, held] : context) {
        EXPECT_EQ(variable.name(), "v");
        EXPECT_TRUE(held.template as<T>() != nullptr);
        out << variable << held;
    }
    EXPECT_FALSE(out.str().empty());
    auto token = v.set(value);
    if constexpr (is_operand)
        out << token;
    EXPECT_EQ(v.try_reset(token), cv::reset_result::ok);
    const auto scope = v.scoped(value);
    EXPECT_TRUE(cv::copy_context().contains(v));
}

} // namespace

TEST_F(TypesTest, take_a_value_as_a_function_takes_an_argument) {
    cv::ContextVar<double> real{"real", 5};
    cv::ContextVar<std::uint64_t> number{"number", 7};
    cv::ContextVar<std::vector<int>> list{"list", {1, 2, 3}};
    EXPECT_EQ(real.get() + static_cast<double>(number.get()), 12);
    EXPECT_EQ(list.get().size(), 3u);
    real.set(6);
    list.set({4, 5});
    EXPECT_EQ(real.get(), 6);
    EXPECT_EQ(list.get(), (std::vector<int>{4, 5}));
    EXPECT_EQ(list.get({}), (std::vector<int>{4, 5}));
    EXPECT_EQ(cv::Context().get(list, {1, 2}).size(), 2u);
    const auto scope = cv::scoped(list.to({1}), real.to(1));
    EXPECT_EQ(list.get().size(), 1u);
}

TEST_F(TypesTest, take_an_empty_list_for_a_default_value) {
    cv::ContextVar<int> number{"number", {}};
    cv::ContextVar<std::string> text{"text", {}};
    cv::ContextVar<std::vector<int>> list{"list", {}};
    EXPECT_EQ(number.get(), 0);
    EXPECT_EQ(text.get(), "");
    EXPECT_TRUE(list.get().empty());
}

TEST_F(TypesTest, are_made_explicitly_by_emplace_only) {
    cv::ContextVar<std::vector<int>> list{"list"};
    cv::ContextVar<std::chrono::milliseconds> timeout{"timeout"};
    cv::ContextVar<int> number{"number"};
    list.emplace(5u);
    timeout.emplace(5);
    number.emplace(3.7);
    EXPECT_EQ(list.get().size(), 5u);
    EXPECT_EQ(timeout.get().count(), 5);
    EXPECT_EQ(number.get(), 3);
}

TEST_F(TypesTest, take_the_variables_own_value) {
    cv::ContextVar<std::vector<std::string>> v{"v"};
    v.set({"a text that is too long for the small string buffer"});
    v.set(v.get());
    EXPECT_EQ(v.get().front(), "a text that is too long for the small string buffer");
    const auto scope = v.scoped(v.get());
    EXPECT_EQ(v.get().size(), 1u);
    EXPECT_EQ(v.get(v.get()).size(), 1u);
}

TEST_F(TypesTest, move_a_value_that_they_are_given_and_copy_it_never) {
    cv::ContextVar<Counted> v{"v"};
    Counted::forget();
    v.set(Counted(1));
    const auto scope = v.scoped(2);
    const auto several = cv::scoped(v.to(3));
    const cv::Context changed = cv::Context().with(v.to(4));
    EXPECT_EQ(Counted::made, 4);
    EXPECT_EQ(Counted::copies, 0);
}

TEST_F(TypesTest, may_point_to_what_cannot_be_instantiated) {
    use<std::unique_ptr<Incomplete>*>(nullptr);
    use<Box<Incomplete>*, false>(nullptr);
    use<const Box<Incomplete>*, false>(nullptr);
    use<std::shared_ptr<Box<Incomplete>>, false>(nullptr);
    use<Box<Incomplete>* (*)(Box<Incomplete>*), false>(nullptr);
    use<int Incomplete::*>(nullptr);
    use<std::nullptr_t>(nullptr);
}

TEST_F(TypesTest, may_be_made_of_anything) {
    use(AnyLike());
    use(std::any(1));
    cv::ContextVar<AnyLike> v{"v", AnyLike()};
    EXPECT_FALSE(v.get().made_of_another);
    v.set(5);
    EXPECT_TRUE(v.get().made_of_another);
    v.set(AnyLike());
    EXPECT_FALSE(v.get().made_of_another);
    EXPECT_TRUE(v.get("other").made_of_another == false);
}

TEST_F(TypesTest, may_have_ambiguous_operators) {
    static_assert(!cv::enable_equality<Ambiguous> && !cv::enable_printing<Ambiguous>);
    use(Ambiguous{1});
}

TEST_F(TypesTest, may_have_an_equality_that_is_constrained_on_itself) {
    static_assert(cv::enable_equality<Node> && cv::enable_equality<SelfConstrained>);
    use(Node{});
    use(SelfConstrained{1});
    cv::ContextVar<Node> node{"node"};
    cv::ContextVar<SelfConstrained> constrained{"constrained"};
    const auto with = [&](Node of_node, int value) {
        return cv::Context().with(node.to(std::move(of_node)), constrained.to({value}));
    };
    EXPECT_TRUE(with({}, 1) == with({}, 1));
    EXPECT_FALSE(with({}, 1) == with({}, 2));
    EXPECT_FALSE(with({}, 1) == with(Node{{{Node{}}}}, 1));
}

// Operators that take everything, and are written for the types beside them: their results are found in
// their bodies, which are errors for all other types.
namespace takes_all {
namespace const_references {
struct type {
    int number;
};
template <class T>
auto operator==(const T& a, const T& b) {
    return a.number == b.number;
}
template <class T>
auto& operator<<(std::ostream& out, const T& value) {
    return out << value.number;
}
} // namespace const_references
namespace two_types {
struct type {
    int number;
};
template <class T, class U>
auto operator==(const T& a, const U& b) {
    return a.number == b.number;
}
template <class S, class T>
auto& operator<<(S& out, const T& value) {
    return out << value.number;
}
} // namespace two_types
namespace forwarding {
struct type {
    int number;
};
template <class T, class U>
auto operator==(T&& a, U&& b) {
    return a.number == b.number;
}
template <class S, class T>
auto& operator<<(S&& out, T&& value) {
    return out << value.number;
}
} // namespace forwarding
namespace values {
struct type {
    int number;
};
template <class T>
auto operator==(T a, T b) {
    return a.number == b.number;
}
template <class T>
auto& operator<<(std::ostream& out, T value) {
    return out << value.number;
}
} // namespace values
namespace forwarding_alike {
struct type {
    int number;
};
template <class T>
auto operator==(T&& a, T&& b) {
    return a.number == b.number;
}
template <class S, class T>
auto& operator<<(S&& out, const T& value) {
    return out << value.number;
}
} // namespace forwarding_alike
namespace streams {
struct type {
    int number;
};
template <class T, class U>
auto operator==(T a, const U& b) {
    return a.number == b.number;
}
template <class Char, class Traits, class T>
auto& operator<<(std::basic_ostream<Char, Traits>& out, const T& value) {
    return out << value.number;
}
} // namespace streams
} // namespace takes_all

namespace {

template <class T>
void expect_its_operators(const char* name) {
    SCOPED_TRACE(name);
    const cv::ContextVar<T> variable{"v"};
    cv::Context one;
    cv::Context another;
    one.run([&] { variable.set(T{7}); });
    another.run([&] { variable.set(T{7}); });
    EXPECT_TRUE(one == another);
    EXPECT_FALSE(one == one.with(variable.to(T{8})));
    std::ostringstream out;
    out << one;
    EXPECT_NE(out.str().find("=7"), std::string::npos) << out.str();
}

} // namespace

TEST_F(TypesTest, may_have_operators_that_take_everything_and_are_errors_for_all_else) {
    expect_its_operators<takes_all::const_references::type>("const_references");
    expect_its_operators<takes_all::two_types::type>("two_types");
    expect_its_operators<takes_all::forwarding::type>("forwarding");
    expect_its_operators<takes_all::values::type>("values");
    expect_its_operators<takes_all::forwarding_alike::type>("forwarding_alike");
    expect_its_operators<takes_all::streams::type>("streams");
}

TEST_F(TypesTest, know_the_names_that_are_of_one_file) {
    using cv::detail::is_named_in_one_file;
    for (const char* name : {
             "N12_GLOBAL__N_11XE",              // of an anonymous namespace
             "P6HolderIN2ns12_GLOBAL__N_11XEE", // a pointer to a template of one
             "3$_0",                            // closures as clang names them
             "Z1fvE3$_1", "ZN2ns1fEvENK3$_0clEvE1X",
             "ZL1fvE1X", // locals of static functions
             "ZN2nsL1fEvE1X", "6HolderIZL1fvE1XE", "ZN2nsL1fENS_5PlainEE5Local",
             "1AIXadL_ZL1fvEEE", // of the address of a static function
         })
        EXPECT_TRUE(is_named_in_one_file(name)) << name;
    for (const char* name : {
             "i",
             "PKc",
             "FvvE",
             "A10_i",
             "M1Xi",
             "St6vectorIiSaIiEE",
             "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
             "13MySSL3Context",
             "N6OpenGL2L2E",
             "Z1fvE1X",
             "Z1fvE1X_0",
             "Z1fvEUlvE0_",
             "ZN2ns1fEvEN1X1YE",
             "5ArrayILi5ELin3ELb1EE", // of constants
             "5OuterIL5Color1EE",
             "5OuterILN2ns5ColorE25EE",
             "5OuterI1XL5Colorn1EL5Color12EE",
             "St4pairIN2ns3FooES1_E",
             "5PairsINS_3L2XES0_T_E",
         })
        EXPECT_FALSE(is_named_in_one_file(name)) << name;
}

namespace {

struct CopyOnly {
    int x[4];
    CopyOnly(int i) : x{i} {}
    CopyOnly(const CopyOnly&) = default;
    CopyOnly(CopyOnly&&) = delete;
};
struct CopiesLvalues {
    CopiesLvalues() = default;
    CopiesLvalues(CopiesLvalues&) {}
    int x[4] = {};
};
struct ConstantCopy {
    int x[4];
    constexpr ConstantCopy(int i) : x{i} {}
    constexpr ConstantCopy(const ConstantCopy&) = default;
    ConstantCopy(ConstantCopy&& other) : x{other.x[0]} {}
};
inline constexpr ConstantCopy constant_copy{5};
constinit contextvars::ContextVar<ConstantCopy> constant_default{"v", constant_copy};
constinit contextvars::ContextVar<std::string_view> view_default{"v", "default"};

struct Immovable {
    Immovable(int i) : x(i) {}
    Immovable(const Immovable&) = delete;
    int x;
};
int value_of(Immovable immovable) { return immovable.x; }

} // namespace

TEST_F(TypesTest, that_cannot_be_moved_are_set_by_copy_or_made_in_place) {
    const CopyOnly one(1);
    const contextvars::ContextVar<CopyOnly> v{"v", one};
    EXPECT_EQ(v.get().x[0], 1);
    v.set(CopyOnly(2).x[0]);
    EXPECT_EQ(v.get().x[0], 2);
    v.set(one);
    EXPECT_EQ(v.get(CopyOnly(3).x[0]).x[0], 1);
    {
        const auto scope = v.scoped(4);
        EXPECT_EQ(v.get().x[0], 4);
        const contextvars::Scope<CopyOnly> inner(v, one);
        EXPECT_EQ(v.get().x[0], 1);
    }
    CopiesLvalues lvalue;
    const contextvars::ContextVar<CopiesLvalues> w{"w"};
    w.set(lvalue);
    EXPECT_NE(w.try_get(), nullptr);
    const contextvars::ContextVar<std::atomic<int>> a{"a", 5};
    a.set(6);
    EXPECT_EQ(a.get().load(), 6);
    EXPECT_EQ(constant_default.get().x[0], 5);
    EXPECT_EQ(view_default.get(), "default");
}

TEST_F(TypesTest, of_parameters_that_cannot_be_moved_are_made_in_place_by_a_bound_call) {
    EXPECT_EQ(contextvars::bind_context(value_of)(7), 7);
    EXPECT_EQ(contextvars::bind_context([](Immovable immovable) { return immovable.x; })(8), 8);
}

TEST_F(TypesTest, of_parameters_whose_copy_may_throw_make_a_bound_call_that_may_throw) {
    struct throws_when_copied {
        throws_when_copied() = default;
        throws_when_copied(const throws_when_copied& other) : copies(other.copies + 1) {
            if (copies == 2)
                throw std::runtime_error("the second copy");
        }
        int copies = 0;
    };
    const auto bound = contextvars::bind_context([](throws_when_copied) noexcept {});
    static_assert(!noexcept(bound(throws_when_copied())));
    const throws_when_copied argument;
    EXPECT_THROW(bound(argument), std::runtime_error);
    const auto other = contextvars::bind_context([](int) noexcept {});
    static_assert(noexcept(other(1)));
    other(1);
}
