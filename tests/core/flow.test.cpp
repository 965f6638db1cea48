// SPDX-License-Identifier: MIT
//
// ext::flow, and the scopes that resume and suspend one.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
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

TEST(Suspension, in_a_copy_of_what_the_flow_still_has_copies_nothing) {
    cv::ContextVar<int> small("small");
    cv::ContextVar<std::string> large("large");
    for (const bool with_large : {false, true}) {
        cv::ext::flow flow;
        flow.resume();
        small.set(1);
        if (with_large)
            large.set("a");
        cv::ext::snapshot captured;
        {
            const cv::ext::suspension scope(flow);
            captured = cv::ext::snapshot::of_current();
        }
        const cv::ext::copy_scope below(std::move(captured));
        const auto* map = cv::detail::current_map();
        flow.resume();
        {
            const cv::ext::suspension scope(flow);
            EXPECT_EQ(cv::detail::current_map(), map);
        }
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

} // namespace
