// SPDX-License-Identifier: MIT
//
// The storage's rules, with OpenTelemetry's API alone: what is attached where, and what detaching
// does twice, out of order, in a copy of the context, in another context, on another thread.
#include <contextvars/opentelemetry.hpp>

#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/environment.hpp"
#include "support/isolated.hpp"

#include <opentelemetry/context/runtime_context.h>
#include <opentelemetry/trace/default_span.h>
#include <opentelemetry/trace/scope.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace contextvars_tests;
namespace api = opentelemetry::context;
namespace cv = contextvars;

namespace {

using Token = opentelemetry::nostd::unique_ptr<api::Token>;

[[maybe_unused]] const bool installed = [] {
    cv::opentelemetry::install_storage();
    return true;
}();

api::Context context_of(int number) { return api::Context("number", static_cast<int64_t>(number)); }
Token attach(int number) { return api::RuntimeContext::Attach(context_of(number)); }
bool detach(const Token& token) { return api::RuntimeContext::Detach(*token); }

/// 0: nothing is attached.
int current() {
    const api::ContextValue value = api::RuntimeContext::GetValue("number");
    const auto* number = opentelemetry::nostd::get_if<int64_t>(&value);
    return number != nullptr ? static_cast<int>(*number) : 0;
}

using OpenTelemetryStorage = Isolated;

} // namespace

TEST_F(OpenTelemetryStorage, has_nothing_attached_at_first) {
    EXPECT_EQ(current(), 0);
    EXPECT_TRUE(api::RuntimeContext::GetCurrent() == api::Context());
}

TEST_F(OpenTelemetryStorage, gives_the_very_context_that_was_attached) {
    const api::Context context = context_of(1);
    const Token token = api::RuntimeContext::Attach(context);
    EXPECT_TRUE(api::RuntimeContext::GetCurrent() == context);
    EXPECT_TRUE(*token == context);
}

TEST_F(OpenTelemetryStorage, detaches_in_reverse) {
    Token one = attach(1);
    Token two = attach(2);
    EXPECT_EQ(current(), 2);
    EXPECT_TRUE(detach(two));
    EXPECT_EQ(current(), 1);
    EXPECT_TRUE(detach(one));
    EXPECT_EQ(current(), 0);
}

TEST_F(OpenTelemetryStorage, detaches_an_empty_context_as_any_other) {
    const Token one = attach(1);
    {
        const Token none = api::RuntimeContext::Attach(api::Context());
        EXPECT_EQ(current(), 0);
    }
    EXPECT_EQ(current(), 1);
}

TEST_F(OpenTelemetryStorage, detaches_a_token_once) {
    const api::Context context = context_of(1);
    const Token outer = api::RuntimeContext::Attach(context);
    const Token middle = attach(2);
    {
        const Token inner = api::RuntimeContext::Attach(context); // equal to the outer one
        EXPECT_TRUE(detach(inner));
        EXPECT_FALSE(detach(inner));
        EXPECT_EQ(current(), 2);
    } // and its destructor detaches again
    EXPECT_EQ(current(), 2);
}

TEST_F(OpenTelemetryStorage, detaches_a_token_once_also_if_a_later_one_has_its_address) {
    const api::Context context = context_of(1);
    std::optional<Token> parent(api::RuntimeContext::Attach(context));
    const cv::Context child = cv::copy_context();
    parent.reset();
    child.copy().run([&] {
        EXPECT_EQ(current(), 1);
        for (int i = 0; i != 100; ++i) { // one of these has the address
            const Token again = api::RuntimeContext::Attach(context);
            EXPECT_TRUE(detach(again));
            EXPECT_FALSE(detach(again));
        }
        EXPECT_EQ(current(), 1);
    });
}

TEST_F(OpenTelemetryStorage, takes_with_a_token_what_was_attached_after_it) {
    const Token one = attach(1);
    const Token two = attach(2);
    const Token three = attach(3);
    EXPECT_TRUE(detach(two));
    EXPECT_EQ(current(), 1);
    EXPECT_FALSE(detach(three));
    EXPECT_EQ(current(), 1);
    EXPECT_TRUE(detach(one));
    EXPECT_EQ(current(), 0);
}

TEST_F(OpenTelemetryStorage, has_nothing_left_in_whatever_order_tokens_are_detached) {
    std::vector<int> order{0, 1, 2, 3};
    do {
        std::vector<Token> tokens;
        for (int i = 1; i <= 4; ++i)
            tokens.push_back(attach(i));
        for (const int i : order)
            const Token ended = std::move(tokens[static_cast<std::size_t>(i)]);
        EXPECT_EQ(current(), 0);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(OpenTelemetryStorage, gives_a_copy_what_was_attached_and_nothing_back) {
    const Token one = attach(1);
    cv::copy_context().run([] {
        EXPECT_EQ(current(), 1);
        const Token two = attach(2);
        EXPECT_EQ(current(), 2);
    });
    EXPECT_EQ(current(), 1);
    cv::Context().run([] { EXPECT_EQ(current(), 0); });
}

TEST_F(OpenTelemetryStorage, leaves_a_copy_what_its_parent_detached) {
    std::optional<Token> token(attach(1));
    const auto child = cv::bind_context([] { return current(); });
    cv::Context kept = cv::copy_context();
    token.reset();
    EXPECT_EQ(current(), 0);
    EXPECT_EQ(child(), 1);
    EXPECT_EQ(kept.run(current), 1);
}

TEST_F(OpenTelemetryStorage, follows_a_thread_that_is_bound_and_no_other) {
    const Token one = attach(1);
    cv::thread([] { EXPECT_EQ(current(), 1); }).join();
    std::thread(cv::bind_context([] { EXPECT_EQ(current(), 1); })).join();
    std::thread([] { EXPECT_EQ(current(), 0); }).join();
}

TEST_F(OpenTelemetryStorage, follows_a_flow_from_thread_to_thread) {
    cv::ext::flow flow;
    std::optional<Token> token;
    {
        const cv::ext::flow_scope scope(flow);
        token.emplace(attach(1));
    }
    EXPECT_EQ(current(), 0);
    std::thread([&] {
        const cv::ext::flow_scope scope(flow);
        EXPECT_EQ(current(), 1);
        EXPECT_TRUE(detach(*token));
        EXPECT_EQ(current(), 0);
    }).join();
    token.reset();
    const cv::ext::flow_scope scope(flow);
    EXPECT_EQ(current(), 0);
}

TEST_F(OpenTelemetryStorage, detaches_in_a_copy_only_there_until_the_own_context_looks) {
    std::optional<Token> token(attach(1));
    cv::Context sibling = cv::copy_context();
    const Token two = attach(2); // so that the first one is not in front
    cv::copy_context().run([&] {
        EXPECT_TRUE(detach(*token)); // as a callback that was given a scope to end
        EXPECT_EQ(current(), 0);
    });
    EXPECT_EQ(current(), 2);
    EXPECT_TRUE(detach(two));
    EXPECT_EQ(current(), 0); // it was detached
    EXPECT_EQ(sibling.run(current), 1);
    EXPECT_EQ(sibling.run(current), 1);
}

TEST_F(OpenTelemetryStorage,
       leaves_out_what_another_thread_detached_and_that_thread_keeps_its_own) {
    const Token one = attach(1);
    const Token two = attach(2);
    cv::Context child = cv::copy_context();
    std::thread([&] {
        const Token own = attach(3);
        EXPECT_FALSE(detach(two)); // a miss
        EXPECT_EQ(current(), 3);
    }).join();
    EXPECT_EQ(current(), 1); // never a span that has ended for it
    EXPECT_EQ(child.run(current), 2);
    EXPECT_FALSE(detach(two));
    EXPECT_EQ(current(), 1);
    {
        const Token three = attach(3);
        EXPECT_EQ(current(), 3);
    }
    EXPECT_EQ(current(), 1);
}

TEST_F(OpenTelemetryStorage, attaches_below_nothing_that_another_thread_detached) {
    std::optional<Token> one(attach(1));
    std::thread([&] { one.reset(); }).join();
    const Token two = attach(2);
    cv::copy_context().run([&] {
        EXPECT_TRUE(detach(two));
        EXPECT_EQ(current(), 0);
    });
}

TEST_F(OpenTelemetryStorage, keeps_in_a_copy_what_a_truncated_token_of_the_parent_had) {
    const Token one = attach(1);
    std::optional<Token> lost(attach(2)); // moved into a callback, say
    const auto callback = cv::bind_context([&] {
        EXPECT_EQ(current(), 2);
        lost.reset();
        EXPECT_EQ(current(), 1);
    });
    EXPECT_TRUE(detach(one));
    EXPECT_EQ(current(), 0);
    callback();
    EXPECT_EQ(current(), 0);
}

TEST_F(OpenTelemetryStorage, releases_a_context_when_nothing_has_it) {
    struct Watched final : opentelemetry::trace::DefaultSpan {
        explicit Watched(std::atomic<int>& count)
            : DefaultSpan(opentelemetry::trace::SpanContext::GetInvalid()), alive(count) {
            ++alive;
        }
        Watched(const Watched&) = delete;
        ~Watched() override { --alive; }
        std::atomic<int>& alive;
    };
    std::atomic<int> alive = 0;
    const auto scope = [&] {
        return std::make_unique<opentelemetry::trace::Scope>(
            opentelemetry::nostd::shared_ptr<opentelemetry::trace::Span>(new Watched(alive)));
    };
    isolated([&] {
        {
            const auto one = scope();
        }
        EXPECT_EQ(alive, 0);
        auto lost = scope();
        const cv::Context copy = cv::copy_context();
        std::thread([&] { lost.reset(); }).join();
        EXPECT_EQ(alive, 1);
        EXPECT_EQ(current(), 0);
    });
    EXPECT_EQ(alive, 0);
}

TEST_F(OpenTelemetryStorage, may_be_used_by_the_destructor_of_a_span) {
    struct Curious final : opentelemetry::trace::DefaultSpan {
        Curious() : DefaultSpan(opentelemetry::trace::SpanContext::GetInvalid()) {}
        Curious(const Curious&) = delete;
        ~Curious() override {
            EXPECT_EQ(current(), 1);
            const Token inner = attach(2);
            EXPECT_EQ(current(), 2);
        }
    };
    const Token one = attach(1);
    {
        const opentelemetry::trace::Scope scope(
            opentelemetry::nostd::shared_ptr<opentelemetry::trace::Span>(new Curious));
        EXPECT_EQ(current(), 1); // Scope keeps what was there
    }
    EXPECT_EQ(current(), 1);
}

TEST_F(OpenTelemetryStorage, drops_a_million_attachments_that_were_lost) {
    constexpr int many = sanitized ? 100'000 : 1'000'000;
    std::vector<Token> lost;
    lost.reserve(many);
    isolated([&] {
        for (int i = 0; i != many; ++i)
            lost.push_back(attach(i));
        EXPECT_EQ(current(), many - 1);
    });
    EXPECT_EQ(current(), 0);
    for (Token& token : lost)
        EXPECT_FALSE(detach(token));
}

TEST_F(OpenTelemetryStorage, is_right_whatever_threads_detach_of_each_other) {
    constexpr int parties = 4;
    const long rounds = from_environment("CONTEXTVARS_STRESS_CHECKS", sanitized ? 2'000 : 10'000);
    std::atomic<long> wrong = 0;
    std::vector<std::optional<Token>> given(parties);
    std::barrier step(parties);
    std::vector<std::thread> threads;
    for (int i = 0; i != parties; ++i)
        threads.emplace_back([&, i] {
            const auto expect = [&](int number) {
                if (current() != number)
                    ++wrong;
            };
            const int own = i + 1;
            for (long round = 0; round != rounds; ++round) {
                const Token base = attach(own);
                given[static_cast<std::size_t>(i)].emplace(attach(own + 100));
                const auto child = cv::bind_context(current);
                step.arrive_and_wait();
                // Its neighbour detaches it, while this thread looks at it, and copies do.
                given[static_cast<std::size_t>((i + 1) % parties)].reset();
                if (const int now = current(); now != own && now != own + 100)
                    ++wrong;
                if (child() != own + 100)
                    ++wrong;
                step.arrive_and_wait();
                expect(own);
                if (child() != own + 100)
                    ++wrong;
            }
            expect(0);
        });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
}
