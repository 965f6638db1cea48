// SPDX-License-Identifier: MIT
#include <contextvars/propagation.hpp>

#include <contextvars/contextvars.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <string>

using namespace contextvars::propagation;

namespace {

const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::set<std::string> all(const child_environment& child) {
    std::set<std::string> seen;
    for (char* const* at = child.data(); *at != nullptr; ++at)
        seen.insert(*at);
    return seen;
}

TEST(Environment, brings_trace_state_and_baggage) {
    const std::string variable = "TRACEPARENT=" + parent;
    const char* const variables[] = {"PATH=/bin",          "TRACEPARENTS=x", variable.c_str(),
                                     "TRACEPARENT=second", "TRACESTATE=a=1", "BAGGAGE=b=2",
                                     "traceparent=lower",  "NOTHING",        nullptr};
    contextvars::Context context = extract(environment(variables), {.trust_baggage = true});
    context.run([] {
        EXPECT_EQ(current_trace.get(), *trace_parent::parse(parent));
        EXPECT_EQ(current_state.get().to_text(), "a=1");
        EXPECT_EQ(current_baggage.get().to_text(), "b=2");
    });
}

TEST(Environment, is_not_trusted_with_baggage_by_default) {
    const char* const variables[] = {"BAGGAGE=b=2", nullptr};
    EXPECT_FALSE(extract(environment(variables)).contains(current_baggage));
}

TEST(Environment, of_a_child_is_that_of_the_parent_but_for_the_three_variables) {
    const char* const variables[] = {"PATH=/bin",     "TRACEPARENT=old", "TRACESTATE=old=1",
                                     "BAGGAGE=old=1", "BAGGAGES=kept",   "odd",
                                     nullptr};
    child_environment child(variables);
    EXPECT_EQ(all(child), (std::set<std::string>{"PATH=/bin", "BAGGAGES=kept", "odd"}));
    contextvars::Context()
        .with(current_trace.to(*trace_parent::parse(parent)),
              current_deadline.to(deadline::after(std::chrono::hours(1))))
        .run([&] { inject(child); });
    // The time that is left is no matter for an environment, which is read at any time.
    EXPECT_EQ(all(child), (std::set<std::string>{"PATH=/bin", "BAGGAGES=kept", "odd",
                                                 "TRACEPARENT=" + parent}));
    inject(child); // never overwrites
    EXPECT_EQ(extract(environment(child.data()))[current_trace], *trace_parent::parse(parent));
}

TEST(Environment, of_this_process_is_read_by_default) {
    ::setenv("TRACEPARENT", parent.c_str(), 1);
    EXPECT_EQ(extract(environment())[current_trace], *trace_parent::parse(parent));
    EXPECT_EQ(all(child_environment()).count("TRACEPARENT=" + parent), 0u);
    ::unsetenv("TRACEPARENT");
}

} // namespace
