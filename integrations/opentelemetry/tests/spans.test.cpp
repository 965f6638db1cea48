// SPDX-License-Identifier: MIT
//
// OpenTelemetry's SDK and its scopes in coroutines on pools: each span has its own parent.
// CONTEXTVARS_OPENTELEMETRY_SPANS sets how many spans are made.
#include <contextvars/opentelemetry.hpp>

#include "requests.hpp"

#include "support/environment.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <string>
#include <unordered_map>

using namespace contextvars_tests;

namespace {

[[maybe_unused]] const bool installed = [] {
    cv::opentelemetry::install_storage();
    return true;
}();

} // namespace

TEST(OpenTelemetrySpans, have_the_parents_that_they_expect_on_every_thread) {
    const long wanted =
        from_environment("CONTEXTVARS_OPENTELEMETRY_SPANS", sanitized ? 10'000 : 100'000);
    std::unordered_map<std::string, long> by_name;
    const Parents parents = run_requests(wanted, by_name);
    std::cout << parents.right << " spans with the right parent, " << parents.wrong
              << " with a wrong one, " << parents.orphans << " orphans\n";
    EXPECT_GE(parents.right, wanted);
    EXPECT_EQ(parents.wrong, 0);
    EXPECT_EQ(parents.orphans, 0);
    const long requests = by_name["request"];
    EXPECT_EQ(parents.right, requests * spans_of_a_request);
    for (const auto& [name, count] : by_name)
        EXPECT_EQ(count, name == "child" || name == "child's leaf" ? 2 * requests : requests)
            << name;
}
