// SPDX-License-Identifier: MIT
#include <contextvars/bind_context.hpp>

#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;
using BindContextTest = contextvars_tests::Isolated;

TEST_F(BindContextTest, carries_what_was_current_when_it_was_called) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    auto bound = cv::bind_context([&] { return v.get(); });
    v.set(2);
    EXPECT_EQ(bound(), 1);
    isolated([&] { EXPECT_EQ(bound(), 1); });
    std::thread([&] { EXPECT_EQ(bound(), 1); }).join();
}

TEST_F(BindContextTest, carries_an_empty_context_as_well) {
    cv::ContextVar<int> v{"v"};
    auto bound = cv::bind_context([&] { return v.try_get() == nullptr; });
    v.set(1);
    EXPECT_TRUE(bound());
}

TEST_F(BindContextTest, runs_every_call_in_a_fresh_copy) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    auto bound = cv::bind_context([&] {
        EXPECT_EQ(number.get(), 1);
        EXPECT_EQ(text.try_get(), nullptr);
        number.set(2);
        text.set("call");
    });
    bound();
    bound();
    EXPECT_EQ(number.get(), 1);
    EXPECT_EQ(text.try_get(), nullptr);
}

TEST_F(BindContextTest, can_be_called_from_within_its_own_call) {
    cv::ContextVar<int> depth{"depth"};
    depth.set(0);
    std::function<void(int)> bound = cv::bind_context([&](int left) {
        EXPECT_EQ(depth.get(), 0);
        depth.set(left);
        if (left > 0) {
            bound(left - 1);
        }
        EXPECT_EQ(depth.get(), left);
    });
    bound(5);
}

TEST_F(BindContextTest, makes_the_parents_tokens_foreign) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    auto bound = cv::bind_context([&] { return v.try_reset(token); });
    EXPECT_EQ(bound(), cv::reset_result::wrong_context);
    EXPECT_EQ(v.try_reset(token), cv::reset_result::ok);
}

TEST_F(BindContextTest, makes_the_tokens_of_one_call_foreign_to_the_next) {
    cv::ContextVar<int> v{"v"};
    std::vector<cv::Token<int>> tokens;
    auto bound = cv::bind_context([&] {
        for (auto& token : tokens) {
            EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context);
        }
        tokens.push_back(v.set(1));
    });
    for (int i = 0; i < 10; ++i) {
        bound();
    }
}

TEST_F(BindContextTest, uses_the_bindings_of_a_given_context) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    cv::Context context;
    context.run([&] { v.set(2); });
    auto from_lvalue = cv::bind_context(context, [&] { return v.get(); });
    auto from_const = cv::bind_context(std::as_const(context), [&] { return v.get(); });
    auto from_rvalue = cv::bind_context(context.copy(), [&] { return v.get(); });
    EXPECT_EQ(from_lvalue(), 2);
    EXPECT_EQ(from_const(), 2);
    EXPECT_EQ(from_rvalue(), 2);
}

TEST_F(BindContextTest, takes_a_copy_of_a_given_context) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    context.run([&] { v.set(1); });
    auto bound = cv::bind_context(context, [&] {
        const int seen = v.get();
        v.set(100);
        return seen;
    });
    context.run([&] {
        v.set(2);
        EXPECT_EQ(bound(), 1) << "also while the given context is entered";
    });
    EXPECT_EQ(*context.get(v), 2);
}

TEST_F(BindContextTest, changes_nothing_in_what_is_bound_already) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    auto inner = cv::bind_context([&] { return v.get(); });
    v.set(2);
    auto outer = cv::bind_context(inner);
    auto through_context = cv::bind_context(cv::Context(), inner);
    EXPECT_EQ(outer(), 1);
    EXPECT_EQ(through_context(), 1);
    EXPECT_EQ(cv::bind_context(cv::bind_context(std::move(inner)))(), 1);
}

TEST_F(BindContextTest, forwards_arguments_and_results) {
    auto bound = cv::bind_context([](int& a, std::unique_ptr<int> b) -> int& {
        a += *b;
        return a;
    });
    int value = 1;
    int& result = bound(value, std::make_unique<int>(2));
    EXPECT_EQ(&result, &value);
    EXPECT_EQ(value, 3);
    auto moves = cv::bind_context([](std::unique_ptr<int> p) { return p; });
    EXPECT_EQ(*moves(std::make_unique<int>(4)), 4);
}

TEST_F(BindContextTest, takes_an_f_that_can_only_be_moved) {
    auto bound = cv::bind_context([p = std::make_unique<int>(3)] { return *p; });
    static_assert(!std::is_copy_constructible_v<decltype(bound)>);
    auto moved = std::move(bound);
    EXPECT_EQ(moved(), 3);
}

TEST_F(BindContextTest, is_copyable_where_f_is) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    auto bound = cv::bind_context([&] { return v.get(); });
    const std::function<int()> erased = bound;
    auto copy = bound;
    v.set(2);
    EXPECT_EQ(erased() + copy() + bound(), 3);
}

TEST_F(BindContextTest, is_callable_as_const_where_f_is) {
    const auto bound = cv::bind_context([] { return 1; });
    EXPECT_EQ(bound(), 1);
    int calls = 0;
    auto counting = cv::bind_context([calls]() mutable { return ++calls; });
    static_assert(!std::is_invocable_v<const decltype(counting)&>);
    EXPECT_EQ(counting(), 1);
    EXPECT_EQ(counting(), 2);
}

TEST_F(BindContextTest, calls_f_with_its_own_value_category) {
    struct F {
        char operator()() & { return 'l'; }
        char operator()() const& { return 'c'; }
        char operator()() && { return 'r'; }
    };
    auto bound = cv::bind_context(F());
    EXPECT_EQ(bound(), 'l');
    EXPECT_EQ(std::as_const(bound)(), 'c');
    EXPECT_EQ(std::move(bound)(), 'r');
}

TEST_F(BindContextTest, is_noexcept_where_f_is) {
    auto never = cv::bind_context([](int) noexcept {});
    auto maybe = cv::bind_context([](int) {});
    static_assert(noexcept(never(1)));
    static_assert(!noexcept(maybe(1)));
    static_assert(std::is_invocable_v<decltype(maybe)&, int>);
    static_assert(!std::is_invocable_v<decltype(maybe)&, std::string>, "it is SFINAE-friendly");
}

TEST_F(BindContextTest, takes_functions_and_members) {
    struct S {
        int twice(int x) const { return 2 * x; }
    };
    auto member = cv::bind_context(&S::twice);
    EXPECT_EQ(member(S(), 4), 8);
    auto function = cv::bind_context(+[](int x) { return x + 1; });
    EXPECT_EQ(function(1), 2);
}

namespace {

// As QtConcurrent and std::packaged_task look at a callable: the class is deduced from operator() and
// from the object.
template <class R, class C, class... A>
R call_as_const(R (C::*call)(A...) const, const C& object, std::type_identity_t<A>... args) {
    return (object.*call)(args...);
}

// As pybind11 does.
template <class T>
struct remove_class {};
template <class C, class R, class... A>
struct remove_class<R (C::*)(A...)> {
    using type = R(A...);
};
template <class C, class R, class... A>
struct remove_class<R (C::*)(A...) const> {
    using type = R(A...);
};
template <class F>
using signature = typename remove_class<decltype(&F::operator())>::type;

template <class F>
using bound = decltype(cv::bind_context(std::declval<F>()));
template <class F>
using call_type = decltype(&bound<F>::operator());
template <class F>
concept has_one_call = requires { typename call_type<F>; };

int twice(int x) { return 2 * x; }
int add_all(int count, ...) { return count; }

} // namespace

TEST_F(BindContextTest, has_the_signature_of_what_it_binds) {
    const auto lambda = [](int x) { return x + 1; };
    auto bound_lambda = cv::bind_context(lambda);
    std::function deduced = bound_lambda;
    static_assert(std::is_same_v<decltype(deduced), std::function<int(int)>>);
    EXPECT_EQ(deduced(1), 2);
    std::packaged_task task{cv::bind_context(lambda)};
    static_assert(std::is_same_v<decltype(task), std::packaged_task<int(int)>>);
    task(2);
    EXPECT_EQ(task.get_future().get(), 3);
    EXPECT_EQ(call_as_const(&decltype(bound_lambda)::operator(), bound_lambda, 3), 4);
    static_assert(std::is_same_v<signature<decltype(bound_lambda)>, int(int)>);

    auto bound_function = cv::bind_context(twice);
    std::function of_function = bound_function;
    static_assert(std::is_same_v<decltype(of_function), std::function<int(int)>>);
    EXPECT_EQ(of_function(4), 8);
    EXPECT_EQ(call_as_const(&decltype(bound_function)::operator(), bound_function, 5), 10);
}

TEST_F(BindContextTest, has_const_noexcept_and_references_of_what_it_binds) {
    int calls = 0;
    auto counting = [calls](int& last) mutable { return last = ++calls; };
    static_assert(
        std::is_same_v<call_type<decltype(counting)>, int (bound<decltype(counting)>::*)(int&)>);
    auto never = [](std::unique_ptr<int>) noexcept {};
    static_assert(
        std::is_same_v<call_type<decltype(never)>,
                       void (bound<decltype(never)>::*)(std::unique_ptr<int>) const noexcept>);
    static_assert(std::is_same_v<call_type<int (*)(int) noexcept>,
                                 int (bound<int (*)(int) noexcept>::*)(int) const noexcept>);
    struct Left {
        char operator()() & { return 'l'; }
    };
    struct ConstLeft {
        char operator()() const& { return 'c'; }
    };
    struct Right {
        char operator()() && { return 'r'; }
    };
    struct ConstRight {
        char operator()() const&& noexcept { return 'x'; }
    };
    static_assert(std::is_same_v<call_type<Left>, char (bound<Left>::*)()&>);
    static_assert(std::is_same_v<call_type<ConstLeft>, char (bound<ConstLeft>::*)() const&>);
    static_assert(std::is_same_v<call_type<Right>, char (bound<Right>::*)() &&>);
    static_assert(std::is_same_v < call_type<ConstRight>,
                  char(bound<ConstRight>::*)() const&& noexcept >);
    auto left = cv::bind_context(Left());
    const auto const_left = cv::bind_context(ConstLeft());
    EXPECT_EQ(left(), 'l');
    EXPECT_EQ(const_left(), 'c');
    EXPECT_EQ(cv::bind_context(Right())(), 'r');
    EXPECT_EQ(cv::bind_context(ConstRight())(), 'x');
    auto count = cv::bind_context(counting);
    int last = 0;
    EXPECT_EQ(count(last) + count(last), 3);
    EXPECT_EQ(last, 2);
}

TEST_F(BindContextTest, moves_the_arguments_and_results_of_a_signature) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    auto bound = cv::bind_context([&v](std::unique_ptr<int> p, int& out) -> std::unique_ptr<int> {
        out = v.get();
        return p;
    });
    v.set(2);
    int seen = 0;
    EXPECT_EQ(*bound(std::make_unique<int>(5), seen), 5);
    EXPECT_EQ(seen, 1);
    auto reference = cv::bind_context([](int& x) -> int& { return x; });
    EXPECT_EQ(&reference(seen), &seen);
}

TEST_F(BindContextTest, of_several_signatures_has_them_all) {
    struct Overloaded {
        int operator()(int) const { return 1; }
        int operator()(const std::string&) const { return 2; }
    };
    const auto overloaded = cv::bind_context(Overloaded());
    EXPECT_EQ(overloaded(0) + overloaded("text"), 3);
    const auto generic = cv::bind_context([](auto... x) { return sizeof...(x); });
    EXPECT_EQ(generic(1, "2", 3.0), 3u);
    static_assert(!has_one_call<Overloaded>);
    static_assert(!has_one_call<decltype([](auto) {})>);
    const auto variadic = cv::bind_context(add_all);
    EXPECT_EQ(variadic(2, 1, 1), 2);
}

TEST_F(BindContextTest, keeps_default_arguments) {
    const auto bound = cv::bind_context([](int a, int b = 10) { return a + b; });
    EXPECT_EQ(bound(1), 11);
    EXPECT_EQ(bound(1, 2), 3);
    const auto stated = cv::bind_context<int(int)>([](int a, int b = 10) { return a + b; });
    const std::function deduced = stated;
    EXPECT_EQ(deduced(1), 11);
}

TEST_F(BindContextTest, has_the_signature_that_is_stated) {
    struct S {
        int value;
    };
    cv::ContextVar<int> v{"v"};
    v.set(1);
    auto generic = cv::bind_context<long(int)>([&v](auto x) { return x + v.get(); });
    std::function deduced = generic;
    static_assert(std::is_same_v<decltype(deduced), std::function<long(int)>>);
    static_assert(std::is_same_v<decltype(&decltype(generic)::operator()),
                                 long (decltype(generic)::*)(int) const>);
    auto member = cv::bind_context<int(const S&)>(&S::value);
    auto ignored = cv::bind_context<void(int)>(twice);
    auto never = cv::bind_context<int(int) noexcept>([](auto x) noexcept { return x; });
    auto changing = cv::bind_context<int()>([n = 0]() mutable { return ++n; });
    static_assert(noexcept(never(1)));
    static_assert(std::is_void_v<decltype(ignored(1))>);
    static_assert(!std::is_invocable_v<const decltype(changing)&>);
    cv::Context other;
    other.run([&] { v.set(100); });
    auto in_other = cv::bind_context<int(int)>(other, [&v](auto x) { return x + v.get(); });
    v.set(2);
    EXPECT_EQ(generic(1), 2);
    EXPECT_EQ(in_other(1), 101);
    EXPECT_EQ(member(S{7}), 7);
    EXPECT_EQ(changing() + changing(), 3);
    ignored(1);
}

TEST_F(BindContextTest, gives_back_the_callers_context_when_f_throws) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    auto bound = cv::bind_context([&] {
        v.set(2);
        throw std::logic_error("mine");
    });
    EXPECT_THROW(bound(), std::logic_error);
    EXPECT_EQ(v.get(), 1);
    EXPECT_THROW(bound(), std::logic_error);
}

TEST_F(BindContextTest, holds_on_to_captured_values_until_it_is_destroyed) {
    const NothingLeaks leaks;
    {
        cv::ContextVar<Counted> v{"v"};
        auto bound = isolated([&] {
            v.set(Counted(1));
            return cv::bind_context([&] { return v.get().value; });
        });
        EXPECT_FALSE(leaks.holds());
        EXPECT_EQ(bound(), 1);
    }
}

namespace {

/// Of so many variables, which are bound to their indices.
class BoundVariablesTest : public BindContextTest, public ::testing::WithParamInterface<int> {
protected:
    BoundVariablesTest() {
        for (int i = 0; i != GetParam(); ++i) {
            variables_.push_back(std::make_unique<cv::ContextVar<int>>("one of many"));
            variables_.back()->set(i);
        }
    }

    bool is_as_bound(const cv::Context& context) const {
        for (int i = 0; i != GetParam(); ++i)
            if (context[*variables_[static_cast<std::size_t>(i)]] != i)
                return false;
        return context.size() == variables_.size();
    }
    bool is_as_bound() const { return is_as_bound(cv::copy_context()); }

    std::vector<std::unique_ptr<cv::ContextVar<int>>> variables_;
};

} // namespace

TEST_P(BoundVariablesTest, are_in_each_call_what_they_were_whatever_calls_before_it_did) {
    using body = std::function<void()>;
    const cv::ContextVar<int>& last = *variables_.back();
    cv::ContextVar<int> other("other");
    const std::function<void(const body&)> bound = cv::bind_context([this](const body& body) {
        EXPECT_TRUE(is_as_bound());
        body();
    });
    last.set(-1);
    const std::function<void(const body&)> bound_later = cv::bind_context([&](const body& body) {
        EXPECT_EQ(last.get(), -1);
        body();
    });
    std::vector<cv::Context> kept;
    std::vector<std::function<void()>> kept_bound;
    const body nothing = [] {};
    const body set = [&] { last.set(-2); };
    const body set_and_reset = [&] {
        auto token = last.set(-2);
        last.reset(token);
    };
    const body bind = [&] { other.set(1); };
    const body keep = [&] { kept.push_back(cv::copy_context()); };
    const body keep_bound = [&] {
        kept_bound.push_back(cv::bind_context([this] { EXPECT_TRUE(is_as_bound()); }));
    };
    const body nested = [&] { bound(nothing); };
    const body nested_set = [&] {
        bound(set);
        last.set(-3);
        bound(set);
        EXPECT_EQ(last.get(), -3);
    };
    const body nested_later = [&] { bound_later(set); };
    const std::array bodies{nothing,    set,    set_and_reset, bind,        keep,
                            keep_bound, nested, nested_set,    nested_later};
    const auto in_every_order = [&] {
        for (const body& first : bodies)
            for (const body& second : bodies)
                for (const body& third : bodies) {
                    bound(first);
                    bound(second);
                    bound_later(nothing);
                    bound(third);
                }
        bound(nothing);
    };
    in_every_order();
    std::thread(in_every_order).join();
    for (const cv::Context& context : kept)
        EXPECT_TRUE(is_as_bound(context));
    for (const auto& again : kept_bound)
        again();
    EXPECT_EQ(last.get(), -1);
}

TEST_P(BoundVariablesTest, are_changed_in_place_once_nobody_else_is_bound_to_them) {
    for (int round = 0; round != 2; ++round) {
        {
            const auto bound = cv::bind_context([this] { EXPECT_TRUE(is_as_bound()); });
            bound();
            bound();
        }
        const auto* const map = cv::detail::current_map();
        auto token = variables_.front()->set(-1);
        EXPECT_EQ(cv::detail::current_map(), map);
        variables_.front()->reset(token);
    }
}

// A table of each size, the largest that is cloned, and beyond the table.
INSTANTIATE_TEST_SUITE_P(, BoundVariablesTest, ::testing::Values(1, 8, 16, 17, 64, 65),
                         ::testing::PrintToStringParamName());

TEST_F(BindContextTest, may_be_destroyed_by_its_own_call) {
    cv::ContextVar<std::string> v{"v"};
    v.set("a text that is too long for the small string buffer");
    const cv::ContextVar<std::string>* variable = &v;
    using function = std::function<void()>;
    auto* bound = new function;
    std::string seen;
    std::string* out = &seen;
    *bound = cv::bind_context([variable, bound, out] {
        const auto* kept_variable = variable;
        auto* kept_out = out;
        delete bound;
        *kept_out = kept_variable->get();
    });
    v.set("other");
    (*bound)();
    EXPECT_EQ(seen, "a text that is too long for the small string buffer");
    EXPECT_EQ(v.get(), "other");
}

TEST_F(BindContextTest, serves_thread_and_async) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    int seen = 0;
    std::thread(cv::bind_context([&](int x) { seen = v.get() + x; }), 10).join();
    EXPECT_EQ(seen, 11);
    auto future = std::async(std::launch::async, cv::bind_context([&] { return v.get(); }));
    EXPECT_EQ(future.get(), 1);
}
