// SPDX-License-Identifier: MIT
//
// Handlers of fork() that were registered before those of the library, and use it.
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace cv = contextvars;
using ForkHandlersTest = contextvars_tests::Isolated;

extern "C" void (*at_fork)();

namespace {

cv::ContextVar<std::string> text{"text"};
cv::Context* shared = nullptr;
int calls = 0;

void use_the_library() {
    ++calls;
    const cv::Context copy(*shared);
    shared->run([] { text.set("set in a handler of fork"); });
    cv::ContextVar<int> local{"bound for the first time in a handler of fork"};
    const auto scope = local.scoped(1);
    static_cast<void>(copy == *shared);
}

} // namespace

TEST_F(ForkHandlersTest, may_use_everything_while_the_process_forks) {
    cv::Context context;
    shared = &context;
    at_fork = &use_the_library;
    alarm(60); // against a deadlock
    const pid_t child = fork();
    if (child == 0) {
        const bool right = calls == 2 && *context.get(text) == "set in a handler of fork" &&
                           cv::Context(context).size() == 1;
        _exit(right ? 0 : 1);
    }
    at_fork = nullptr;
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(*context.get(text), "set in a handler of fork");
    alarm(0);
}
