// SPDX-License-Identifier: MIT
//
// The drawings of docs/storage.md: what each step does to a map. Variables get ids in the order in which
// they are bound, but other tests of the process may have taken some: so places are compared without their
// numbers.
#include <contextvars/contextvars.hpp>

#include "current/dump.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <sstream>
#include <string>
#include <vector>

namespace cv = contextvars;
using DumpTest = contextvars_tests::Isolated;

namespace {

/// The head, then the bindings, without their places, sorted.
std::string drawn(const cv::detail::map& map) {
    std::istringstream dump(cv::detail::dump(map));
    std::string head;
    std::getline(dump, head);
    std::vector<std::string> bindings;
    for (std::string line; std::getline(dump, line);)
        if (line.back() != '-')
            bindings.push_back(line.substr(line.find(':') + 2));
    std::sort(bindings.begin(), bindings.end());
    head = head.substr(0, head.find(" in "));
    for (const std::string& binding : bindings)
        head += "; " + binding;
    return head;
}

std::string current() { return drawn(*cv::detail::current_map()); }

} // namespace

TEST_F(DumpTest, draws_the_states_of_a_small_map) {
    const cv::ContextVar<int> request{"request"};
    EXPECT_EQ(current(), "empty, 0");
    request.set(1);
    EXPECT_EQ(current(), "written, 1; request = 1");
    cv::Context captured = cv::copy_context();
    EXPECT_EQ(current(), "clean, 1; request = 1");
    request.set(2);
    EXPECT_EQ(current(), "written, 1; request = 2");
    captured.run([&] {
        EXPECT_EQ(current(), "published, 1; request = 1");
        request.set(3);
        EXPECT_EQ(current(), "written, 1; request = 3");
    });
    EXPECT_EQ(drawn(*cv::detail::pinned_map(captured).get()), "shared, 1; request = 3");
    EXPECT_EQ(current(), "written, 1; request = 2");
}

TEST_F(DumpTest, draws_nodes_and_who_shares_them) {
    const cv::ContextVar<std::string> user{"user"};
    user.set("ann");
    EXPECT_EQ(current(), "written, 1; user = 'ann' in a node of 1");
    const cv::Context captured = cv::copy_context();
    EXPECT_EQ(current(), "shared, 1; user = 'ann' in a node of 1");
    user.set("bob");
    EXPECT_EQ(current(), "written, 1; user = 'bob' in a node of 1");
    const cv::Context again = cv::copy_context();
    const cv::ContextVar<int> number{"number"};
    number.set(1);
    EXPECT_EQ(current(), "written, 2; number = 1; user = 'bob' in a node of 2");
}

TEST_F(DumpTest, draws_bindings_of_variables_that_are_gone_and_no_secrets) {
    const cv::ContextVar<int> secret{"secret", cv::attributes{.secret = true}};
    secret.set(42);
    EXPECT_EQ(current(), "written, 1; secret = <int>");
    {
        const cv::ContextVar<int> gone{"gone"};
        gone.set(1);
    }
    EXPECT_EQ(current(), "written, 2; gone = 1; secret = <int>");
}

TEST_F(DumpTest, draws_a_trie_with_what_finds_its_place_taken) {
    std::deque<cv::ContextVar<int>> variables;
    for (int i = 0; i != 100; ++i)
        variables.emplace_back("v");
    for (int i = 0; i != 100; ++i)
        variables[static_cast<std::size_t>(i)].set(i);
    const std::string dump = cv::detail::dump(*cv::detail::current_map());
    EXPECT_EQ(dump.find("written, 100 in 64 places\n"), 0u) << dump;
    EXPECT_NE(dump.find("\n  trie to "), std::string::npos) << dump;
    EXPECT_EQ(std::count(dump.begin(), dump.end(), '='), 100);
}
