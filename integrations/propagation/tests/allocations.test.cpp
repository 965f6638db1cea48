// SPDX-License-Identifier: MIT
#include <contextvars/propagation.hpp>

#include <contextvars/contextvars.hpp>

#include "support/failing_allocation.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

using namespace contextvars::propagation;
using contextvars_tests::allocations_of;

namespace {

const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(PropagationAllocations, of_a_traceparent_are_none) {
    std::array<char, trace_parent::size> text{};
    EXPECT_EQ(allocations_of([&] { text = trace_parent::parse(parent)->to_text(); }), 0);
    EXPECT_EQ(std::string_view(text.data(), text.size()), parent);
    EXPECT_EQ(allocations_of([&] { static_cast<void>(trace_parent::parse("invalid")); }), 0);
    EXPECT_EQ(allocations_of([&] { static_cast<void>(trace_parent::start(true).child()); }), 0);
    EXPECT_EQ(allocations_of([&] { static_cast<void>(to_b3(*trace_parent::parse(parent))); }), 0);
}

TEST(PropagationAllocations, of_timeouts_are_none) {
    EXPECT_EQ(allocations_of([] {
                  static_cast<void>(to_grpc_timeout(*parse_grpc_timeout("99999999m")));
                  static_cast<void>(to_envoy_timeout(*parse_envoy_timeout("15000")));
              }),
              0);
}

TEST(PropagationAllocations, of_a_baggage_and_of_a_state_that_are_read_are_one) {
    std::string text;
    for (int i = 0; i != 64; ++i)
        text += "key" + std::to_string(i) + "=value;p=%20,";
    EXPECT_EQ(allocations_of([&] { EXPECT_EQ(baggage::parse(text).size(), 64u); }), 1);
    const std::string state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,third=1";
    EXPECT_EQ(allocations_of([&] { EXPECT_EQ(trace_state::parse(state)->size(), 3u); }), 1);
}

/// A carrier that allocates nothing.
struct one_header {
    std::string_view value;
    auto get_all(std::string_view name) const {
        return std::span(&value, name == "traceparent" && !value.empty() ? 1u : 0u);
    }
    void set(std::string_view name, std::string_view) { written += name.size(); }
    std::size_t written = 0;
};

TEST(PropagationAllocations, of_inject_are_none_if_nothing_is_exported) {
    extract(one_header{parent}).run([] {
        one_header next{};
        inject(next);
        EXPECT_EQ(allocations_of([&] { inject(next); }), 0);
        EXPECT_EQ(next.written, 22u);
    });
}

TEST(PropagationAllocations, of_extract_that_fail_leave_the_context_as_it_was) {
    const std::string state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,third=1";
    const std::map<std::string, std::string> message = {
        {"traceparent", parent}, {"tracestate", state}, {"baggage", state}};
    const string_map carrier(message);
    contextvars_tests::for_every_failing_allocation([&](long n) {
        try {
            const contextvars_tests::FailingAllocation failing(n);
            static_cast<void>(extract(carrier, {.trust_baggage = true}));
        } catch (const std::bad_alloc&) {
            EXPECT_TRUE(contextvars_tests::FailingAllocation::happened());
        }
        EXPECT_FALSE(current_trace.get());
        EXPECT_TRUE(current_baggage.get().empty());
    });
}

} // namespace
