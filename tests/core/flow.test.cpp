// SPDX-License-Identifier: MIT
//
// ext::flow, and the scopes that resume and suspend one.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/environment.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace {

namespace cv = contextvars;

/// Runs `body` where nothing is bound, and ends what it binds.
template <class F>
void in_empty_context(const F& body) {
    cv::Context().run(body);
}

TEST(Flow, begins_with_the_bindings_of_where_it_is_made) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        auto token = v.set(1);
        cv::ext::flow flow;
        v.set(2);
        const cv::ext::flow_scope scope(flow);
        EXPECT_EQ(v.get(), 1);
    });
}

TEST(Flow, reserves_the_context_that_it_is_made_of) {
    cv::Context context;
    {
        const cv::ext::flow flow(context);
        EXPECT_THROW(context.run([] {}), cv::RuntimeError);
        EXPECT_THROW(cv::ext::flow{context}, cv::RuntimeError);
    }
    EXPECT_NO_THROW(context.run([] {}));
}

TEST(Flow, does_not_take_the_tokens_of_its_copy) {
    cv::ContextVar<int> v("v");
    cv::ext::flow flow;
    {
        const cv::ext::flow_scope scope(flow);
        v.set(1);
    }
    cv::ext::flow copy(flow.copy());
    copy.resume();
    auto token = v.set(2);
    copy.suspend();
    const cv::ext::flow_scope scope(flow);
    EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context);
    EXPECT_EQ(v.get(), 1);
}

TEST(Flow, keeps_what_is_set_in_it_from_one_thread_to_the_next) {
    cv::ContextVar<int> v("v");
    cv::ext::flow flow;
    {
        const cv::ext::flow_scope scope(flow);
        v.set(1);
    }
    EXPECT_EQ(v.try_get(), nullptr);
    std::thread([&] {
        const cv::ext::flow_scope scope(flow);
        EXPECT_EQ(v.get(), 1);
    }).join();
}

TEST(Flow, that_is_resumed_resets_a_token_of_before) {
    cv::ContextVar<std::string> v("v");
    cv::ext::flow flow;
    flow.resume();
    auto token = v.set("a");
    flow.suspend();
    const cv::ext::flow_scope scope(flow);
    v.reset(token);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST(Suspension, goes_on_with_the_bindings_of_the_flow) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        v.set(1);
        cv::ext::flow flow;
        flow.resume();
        v.set(2);
        {
            const cv::ext::suspension scope(flow);
            EXPECT_EQ(v.get(), 2);
            EXPECT_FALSE(flow.running());
        }
        EXPECT_EQ(v.get(), 1);
    });
}

TEST(Suspension, sets_nothing_in_the_flow_nor_in_the_context_below) {
    cv::ContextVar<std::string> v("v"); // large: the flow and the context below share one map
    in_empty_context([&] {
        v.set("below");
        cv::ext::flow flow;
        flow.resume();
        {
            const cv::ext::suspension scope(flow);
            v.set("initiation");
            EXPECT_EQ(v.get(), "initiation");
        }
        EXPECT_EQ(v.get(), "below");
        const cv::ext::flow_scope scope(flow);
        EXPECT_EQ(v.get(), "below");
    });
}

TEST(Suspension, of_a_flow_with_no_bindings_sets_nothing_in_an_empty_context_below) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        cv::ext::flow flow;
        flow.resume();
        {
            const cv::ext::suspension scope(flow);
            v.set(1);
        }
        EXPECT_EQ(v.try_get(), nullptr);
    });
}

// In these, a scope is what an executor that captures makes for a handler.

TEST(Suspension, in_a_scope_gives_its_first_capture_the_flow_s_own_map) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        cv::ext::flow flow;
        cv::ext::snapshot captured;
        for (int hop = 0; hop != 4; ++hop) {
            const cv::ext::copy_scope handler(std::move(captured));
            flow.resume();
            if (hop % 2 == 0)
                v.set(hop);
            {
                const cv::ext::suspension scope(flow);
                captured = cv::ext::snapshot::of_current();
                EXPECT_EQ(v.get(), hop / 2 * 2);
                EXPECT_NE(cv::detail::current_map(), cv::detail::snapshot_map::get(captured));
            }
            EXPECT_NE(cv::detail::current_map(), cv::detail::snapshot_map::get(captured));
            const cv::ext::flow_scope resumed(flow);
            EXPECT_EQ(cv::detail::current_map(), cv::detail::snapshot_map::get(captured));
        }
    });
}

TEST(Suspension, that_gives_away_the_flow_s_map_keeps_all_bindings_apart) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        const cv::ext::copy_scope handler{cv::ext::snapshot()};
        cv::ext::flow flow;
        flow.resume();
        auto token = v.set(1);
        cv::ext::snapshot captured;
        {
            const cv::ext::suspension scope(flow);
            captured = cv::ext::snapshot::of_current();
            v.set(2);
            EXPECT_EQ(v.get(), 2);
        }
        EXPECT_EQ(v.try_get(), nullptr);
        {
            const cv::ext::copy_scope next(std::move(captured));
            flow.resume();
            EXPECT_EQ(v.get(), 1);
            {
                const cv::ext::suspension scope(flow);
                captured = cv::ext::snapshot::of_current();
                std::thread([&] {
                    const cv::ext::flow_scope resumed(flow);
                    EXPECT_EQ(v.get(), 1);
                    v.set(3);
                }).join();
                EXPECT_EQ(v.get(), 1);
            }
            EXPECT_EQ(v.get(), 1);
            v.set(4);
        }
        {
            const cv::ext::copy_scope next(std::move(captured));
            EXPECT_EQ(v.get(), 1);
            v.set(5);
        }
        const cv::ext::flow_scope resumed(flow);
        EXPECT_EQ(v.get(), 3);
        v.reset(token);
        EXPECT_EQ(v.try_get(), nullptr);
    });
}

TEST(Suspension, that_gives_away_the_flow_s_map_takes_none_that_a_context_shows) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        const cv::ext::copy_scope handler{cv::ext::snapshot()};
        v.set(1);
        cv::Context context(cv::copy_context());
        cv::ext::flow flow{cv::ext::snapshot(context)};
        context.run([&] {
            flow.resume();
            const cv::ext::suspension scope(flow);
            const cv::ext::snapshot captured = cv::ext::snapshot::of_current();
            EXPECT_EQ(v.get(), 1);
        });
        EXPECT_EQ(context[v], 1);
        context.run([&] { v.set(2); });
        const cv::ext::flow_scope resumed(flow);
        EXPECT_EQ(v.get(), 1);
    });
}

TEST(Suspension, in_a_context_leaves_that_the_map_to_which_references_are_held) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        v.set(1);
        const cv::ext::copy_scope handler(cv::ext::snapshot::of_current());
        auto flow = std::make_unique<cv::ext::flow>();
        flow->resume();
        v.set(2);
        cv::Context context;
        {
            const cv::ext::suspension scope(*flow);
            context = cv::copy_context(); // has the flow's own map
        }
        std::move(context).run([&] {
            const int& value = context[v];
            flow->resume();
            {
                const cv::ext::suspension scope(*flow);
            }
            flow.reset();
            const cv::ext::copy_scope other(cv::ext::snapshot::of_current());
            v.set(3);
            EXPECT_EQ(value, 2);
        });
    });
}

TEST(Suspension, still_sees_its_bindings_when_another_thread_has_changed_and_ended_the_flow) {
    cv::ContextVar<std::string> text("text");
    cv::ContextVar<int> number("number");
    for (const bool in_a_copy : {false, true})
        in_empty_context([&] {
            number.set(1);
            text.set("a");
            auto flow = std::make_unique<cv::ext::flow>();
            const auto body = [&] {
                flow->resume();
                const cv::ext::suspension scope(*flow);
                std::thread([&] {
                    {
                        const cv::ext::flow_scope resumed(*flow);
                        number.set(2);
                        text.set("b");
                    }
                    flow.reset();
                }).join();
                EXPECT_EQ(number.get(), 1);
                EXPECT_EQ(text.get(), "a");
            };
            if (in_a_copy) {
                const cv::ext::copy_scope scope(cv::ext::snapshot::of_current());
                body();
            } else {
                body();
            }
        });
}

namespace {

TEST(Suspension, reads_the_flow_s_bindings_if_other_ones_that_are_shared_too_lie_below) {
    cv::ContextVar<std::string> v("v");
    in_empty_context([&] {
        v.set("the flow's");
        cv::ext::flow flow;
        v.set("below");
        const cv::Context shares = cv::copy_context();
        flow.resume();
        const cv::ext::suspension scope(flow);
        EXPECT_EQ(v.get(), "the flow's");
    });
}

/// What a suspension of `flow`, which runs, captures for what it starts.
cv::ext::snapshot captured_in_suspension(cv::ext::flow& flow) {
    const cv::ext::suspension scope(flow);
    return cv::ext::snapshot::of_current();
}

/// The map that is read in a suspension of `flow`, which does not run.
const cv::detail::map* read_in_suspension(cv::ext::flow& flow) {
    flow.resume();
    const cv::ext::suspension scope(flow);
    return cv::detail::current_map();
}

} // namespace

TEST(Suspension, in_a_copy_of_what_the_flow_still_has_copies_nothing) {
    cv::ContextVar<int> small("small");
    cv::ContextVar<std::string> large("large");
    for (const bool with_large : {false, true}) {
        cv::ext::flow flow;
        flow.resume();
        small.set(1);
        if (with_large)
            large.set("a");
        const cv::ext::copy_scope below(captured_in_suspension(flow));
        const auto* map = cv::detail::current_map();
        EXPECT_EQ(read_in_suspension(flow), map);
        flow.resume();
        small.set(2);
        {
            const cv::ext::suspension scope(flow);
            EXPECT_EQ(small.get(), 2);
        }
        EXPECT_EQ(small.get(), 1);
        flow.resume();
        small.set(1);
        {
            const cv::ext::suspension scope(flow);
            EXPECT_EQ(small.get(), 1);
            EXPECT_NE(cv::detail::current_map(), map);
        }
    }
}

TEST(Suspension, in_a_copy_of_what_is_bound_as_well_copies_nothing) {
    cv::ContextVar<int> v("v");
    for (const bool sets_first : {true, false})
        in_empty_context([&] {
            v.set(0);
            cv::ext::flow flow;
            flow.resume();
            if (sets_first)
                v.set(1);
            const auto bound = cv::bind_context([&] { return v.get(); });
            const cv::ext::copy_scope below(captured_in_suspension(flow));
            const auto* map = cv::detail::current_map();
            EXPECT_EQ(read_in_suspension(flow), map);
            flow.resume();
            v.set(2);
            EXPECT_EQ(bound(), sets_first ? 1 : 0);
            flow.suspend();
        });
}

TEST(Flow, that_was_moved_from_takes_no_tokens_of_the_other) {
    cv::ContextVar<int> v("v");
    cv::ext::flow first;
    first.resume();
    auto token = v.set(1);
    first.suspend();
    cv::ext::flow second(std::move(first));
    {
        const cv::ext::flow_scope scope(first);
        EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context);
    }
    const cv::ext::flow_scope scope(second);
    v.reset(token);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST(Suspension, shows_the_bindings_of_a_flow_that_has_set_nothing) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        v.set(1);
        cv::ext::flow flow;
        v.set(2);
        const cv::Context captured = cv::copy_context(); // so both are of an edition
        flow.resume();
        {
            const cv::ext::suspension scope(flow);
            EXPECT_EQ(v.get(), 1);
        }
        EXPECT_EQ(v.get(), 2);
    });
}

TEST(Suspension, gives_a_context_the_flow_is_reserved_for_what_was_set) {
    cv::ContextVar<int> v("v");
    cv::Context context;
    {
        cv::ext::flow flow(context);
        flow.resume();
        v.set(1);
        const cv::ext::suspension scope(flow);
        EXPECT_EQ(v.get(), 1);
        EXPECT_EQ(context.get(v, 0), 1);
        v.set(2);
        EXPECT_EQ(context.get(v, 0), 1);
    }
    EXPECT_EQ(context[v], 1);
}

namespace {
/// A value that sets a variable when it ends.
struct SetsAtItsEnd {
    const cv::ContextVar<int>* variable = nullptr;
    SetsAtItsEnd() = default;
    explicit SetsAtItsEnd(const cv::ContextVar<int>& v) : variable(&v) {}
    SetsAtItsEnd(SetsAtItsEnd&& other) noexcept
        : variable(std::exchange(other.variable, nullptr)) {}
    ~SetsAtItsEnd() {
        if (variable != nullptr)
            variable->set(7);
    }
};
} // namespace

TEST(Suspension, of_a_flow_in_a_context_lets_values_that_end_set_what_nobody_sees) {
    cv::ContextVar<SetsAtItsEnd> v("v");
    cv::ContextVar<int> set("set");
    cv::ContextVar<int> a("a");
    cv::ContextVar<int> b("b");
    in_empty_context([&] {
        cv::Context context;
        {
            cv::ext::flow flow(context);
            flow.resume();
            a.set(1);
            b.set(2);
            v.set(SetsAtItsEnd(set));
            flow.suspend();
            flow.resume();
            v.set(SetsAtItsEnd());
            const cv::ext::suspension scope(flow); // ends the first value
            EXPECT_EQ(set.try_get(), nullptr);
            EXPECT_EQ(a.get(), 1);
            EXPECT_EQ(context.size(), 3U);
        }
        EXPECT_EQ(context.size(), 3U);
        EXPECT_EQ(set.try_get(), nullptr);
    });
}

TEST(Suspension, of_a_flow_in_a_context_lets_values_that_end_set_nothing_in_the_context_below) {
    cv::ContextVar<SetsAtItsEnd> v("v");
    cv::ContextVar<int> set("set");
    in_empty_context([&] {
        set.set(1); // so the map below has a writer
        cv::Context context;
        cv::ext::flow flow(context);
        flow.resume();
        v.set(SetsAtItsEnd(set));
        flow.suspend();
        flow.resume();
        v.set(SetsAtItsEnd());
        {
            const cv::ext::suspension scope(flow); // ends the first value
        }
        EXPECT_EQ(set.get(), 1);
    });
}

TEST(Suspension, of_a_flow_in_a_context_that_has_the_map_below_keeps_nothing) {
    const auto value =
        std::make_shared<int>(1); // large: the context and the one below share one map
    cv::ContextVar<std::shared_ptr<int>> v("v");
    in_empty_context([&] {
        v.set(value);
        cv::Context context = cv::copy_context();
        cv::ext::flow flow(context);
        flow.resume();
        {
            const cv::ext::suspension scope(flow);
            EXPECT_EQ(v.get(), value);
        }
        flow.resume();
        v.set(nullptr);
        flow.suspend();
        EXPECT_EQ(v.get(), value);
    });
    EXPECT_EQ(value.use_count(), 1);
}

template <class T>
concept gives_its_map_away = requires(T& captured) { captured.get(); } || requires(T& captured) {
    captured.take();
} || requires { T::adopt(nullptr); };

TEST(Snapshot, shows_no_internals) {
    using cv::ext::snapshot;
    static_assert(gives_its_map_away<cv::detail::pinned_map>);
    static_assert(!gives_its_map_away<snapshot>);
    static_assert(!std::is_convertible_v<snapshot, cv::detail::pinned_map>);
    static_assert(!std::is_constructible_v<cv::detail::pinned_map, snapshot>);
    static_assert(!std::is_constructible_v<snapshot, cv::detail::pinned_map>);
}

TEST(Snapshot, that_was_moved_from_is_empty) {
    static const cv::ContextVar<int> number{"number", 0};
    const auto scope = number.scoped(1);
    auto captured = cv::ext::snapshot::of_current();
    const auto taken = std::move(captured);
    {
        const cv::ext::copy_scope copy(captured);
        EXPECT_EQ(number.get(), 0);
    }
    const cv::ext::copy_scope copy(taken);
    EXPECT_EQ(number.get(), 1);
}

TEST(CopyScope, that_changed_nothing_gives_its_map_to_the_next_capture_of_the_same_bindings) {
    if (contextvars_tests::sanitized) {
        GTEST_SKIP() << "with a sanitizer, no map is kept";
    }
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        v.set(1);
        const auto captured = cv::detail::pinned_map::of_current();
        const auto* map = captured.get();
        {
            const cv::ext::copy_scope scope(
                cv::detail::snapshot_map::adopt(cv::detail::pinned_map(captured).take()));
            map = cv::detail::current_map();
            EXPECT_NE(map, captured.get());
        }
        const auto next = captured;
        EXPECT_EQ(next.get(), map);
        const auto after = captured;
        EXPECT_NE(after.get(), map) << "it is given once";
    });
}

TEST(CopyScope, that_set_something_gives_nothing_to_the_next_capture) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        v.set(1);
        const auto captured = cv::ext::snapshot::of_current();
        {
            const cv::ext::copy_scope scope(captured);
            v.set(2);
        }
        {
            const cv::ext::copy_scope scope(captured);
            auto token = v.set(3);
            v.reset(token);
        }
        const cv::ext::copy_scope scope(captured);
        EXPECT_EQ(v.get(), 1);
    });
}

TEST(CopyScope, gives_nothing_to_a_capture_of_other_bindings) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        v.set(1);
        const auto one = cv::ext::snapshot::of_current();
        v.set(2);
        const auto two = cv::ext::snapshot::of_current();
        for (int i = 0; i < 4; ++i) {
            {
                const cv::ext::copy_scope scope(one);
                EXPECT_EQ(v.get(), 1);
            }
            const cv::ext::copy_scope scope(two);
            EXPECT_EQ(v.get(), 2);
        }
    });
}

TEST(CopyScope, keeps_what_it_sets_later_from_what_was_captured_in_it) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        v.set(1);
        const cv::ext::copy_scope scope(cv::ext::snapshot::of_current());
        auto token = v.set(2);
        const auto captured = cv::ext::snapshot::of_current();
        v.set(3);
        {
            const cv::ext::copy_scope inner(captured);
            EXPECT_EQ(v.get(), 2);
        }
        EXPECT_EQ(v.get(), 3);
        v.reset(token);
        EXPECT_EQ(v.get(), 1);
    });
}

TEST(CopyScope, does_not_see_what_another_thread_sets_in_what_was_captured_in_it) {
    cv::ContextVar<int> v("v");
    in_empty_context([&] {
        v.set(1);
        const cv::ext::copy_scope scope(cv::ext::snapshot::of_current());
        std::thread([&, captured = cv::ext::snapshot::of_current()]() mutable {
            const cv::ext::copy_scope entered(std::move(captured));
            v.set(2);
            EXPECT_EQ(v.get(), 2);
        }).join();
        EXPECT_EQ(v.get(), 1);
    });
}

TEST(CopyScope, of_many_small_variables_is_shared_once_and_copied_when_captured_again) {
    if (contextvars_tests::sanitized) {
        GTEST_SKIP() << "with a sanitizer, no map is kept";
    }
    std::deque<cv::ContextVar<int>> many;
    in_empty_context([&] {
        for (int i = 0; i < 40; ++i) {
            many.emplace_back("v").set(i);
        }
        if (cv::detail::current_map()->rest != nullptr) {
            GTEST_SKIP() << "the variables of other tests have left no 40 places in the table";
        }
        const auto captured = cv::detail::pinned_map::of_current();
        EXPECT_EQ(captured.get(), cv::detail::current_map());
        const auto again = captured;
        EXPECT_NE(again.get(), captured.get());
        EXPECT_EQ(cv::detail::current_map()->references, 2U);
    });
}

TEST(CopyScope, is_captured_from_a_suspension_that_reads_it) {
    cv::ContextVar<int> v("v");
    cv::ext::flow flow;
    flow.resume();
    v.set(1);
    cv::ext::snapshot captured;
    {
        const cv::ext::suspension scope(flow);
        captured = cv::ext::snapshot::of_current();
    }
    const cv::ext::copy_scope below(std::move(captured));
    flow.resume();
    {
        const cv::ext::suspension scope(flow);
        auto captured_again = cv::ext::snapshot::of_current();
        std::thread([&, captured_again = std::move(captured_again)]() mutable {
            const cv::ext::copy_scope entered(std::move(captured_again));
            v.set(2);
            const cv::ext::flow_scope resumed(flow);
            v.set(3);
        }).join();
        EXPECT_EQ(v.get(), 1);
        v.set(4);
    }
    EXPECT_EQ(v.get(), 1);
}

TEST(CopyScope, with_large_values_is_captured_by_a_share) {
    cv::ContextVar<std::string> v("v");
    in_empty_context([&] {
        v.set("a");
        const cv::ext::copy_scope scope(cv::ext::snapshot::of_current());
        std::thread([&, captured_again = cv::ext::snapshot::of_current()]() mutable {
            const cv::ext::copy_scope entered(std::move(captured_again));
            EXPECT_EQ(v.get(), "a");
            v.set("b");
        }).join();
        EXPECT_EQ(v.get(), "a");
    });
}

} // namespace
