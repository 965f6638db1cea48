// SPDX-License-Identifier: MIT
//
// A child process goes on in the context of the thread that forked it; contexts that other threads
// had entered stay entered in it. A child reports by its exit code: how many checks failed.
#include <contextvars/contextvars.hpp>

#include "support/environment.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace cv = contextvars;
using contextvars_tests::isolated;
using ForkTest = contextvars_tests::Isolated;

namespace {

/// Runs f in a child process; how many checks failed there, or -1 where it died.
template <class F>
int in_child(F&& f) {
    const pid_t child = fork();
    if (child == 0) {
        int failed = 0;
        f([&failed](bool holds, const char* what) {
            if (!holds) {
                ++failed;
                std::fprintf(stderr, "in the child: %s\n", what);
            }
        });
        std::fflush(stderr);
        _exit(failed);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

TEST_F(ForkTest, the_child_keeps_the_current_context) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    text.set("a text that is too long for the small string buffer");
    auto token = number.set(2);
    const int failed = in_child([&](auto check) {
        check(number.get() == 2, "number");
        check(text.get() == "a text that is too long for the small string buffer", "text");
        check(number.try_reset(token) == cv::reset_result::ok, "a token made before the fork");
        check(number.get() == 1, "number after reset");
    });
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(number.get(), 2);
}

TEST_F(ForkTest, the_child_can_use_everything) {
    cv::ContextVar<int> number{"number", 0};
    cv::Context context;
    context.run([&] { number.set(5); });
    const int failed = in_child([&](auto check) {
        number.set(3);
        check(context.run([&] { return number.get(); }) == 5, "run");
        cv::ContextVar<std::string> made_in_child{"made_in_child"};
        made_in_child.set("text");
        const cv::Context captured = cv::copy_context();
        check(captured.size() == 2, "size");
        bool refused = false;
        context.run([&] {
            try {
                context.run([] {});
            } catch (const cv::RuntimeError&) {
                refused = true;
            }
        });
        check(refused, "entering twice");
        int seen = 0;
        cv::thread([&] { seen = number.get(); }).join();
        check(seen == 3, "a thread in the child");
    });
    EXPECT_EQ(failed, 0);
}

TEST_F(ForkTest, the_child_can_leave_what_its_thread_had_entered) {
    cv::ContextVar<int> number{"number", 0};
    cv::Context context;
    number.set(1);
    const pid_t parent = getpid();
    int failed = -1;
    context.run([&] {
        number.set(2);
        failed = in_child([&](auto check) {
            check(number.get() == 2, "inside");
            bool refused = false;
            try {
                context.run([] {});
            } catch (const cv::RuntimeError&) {
                refused = true;
            }
            check(refused, "it is still entered");
        });
    });
    EXPECT_EQ(failed, 0);
    // and by returning from run, in the child too
    const pid_t child = context.run([] { return fork(); });
    if (child == 0) {
        const bool left = number.get() == 1 && context.run([&] { return number.get(); }) == 2;
        _exit(left ? 0 : 1);
    }
    ASSERT_EQ(getpid(), parent);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(ForkTest, the_child_cannot_enter_what_other_threads_had_entered) {
    if (contextvars_tests::thread_sanitized) {
        GTEST_SKIP() << "TSan does not follow a fork of several threads";
    }
    cv::ContextVar<int> number{"number", 0};
    cv::Context theirs;
    cv::Context free;
    std::latch entered(1);
    std::latch forked(1);
    std::thread other([&] {
        theirs.run([&] {
            number.set(7);
            entered.count_down();
            forked.wait();
        });
    });
    entered.wait();
    const int failed = in_child([&](auto check) {
        bool refused = false;
        try {
            theirs.run([] {});
        } catch (const cv::RuntimeError&) {
            refused = true;
        }
        check(refused, "entering what another thread had entered");
        check(free.run([&] { return number.get(); }) == 0, "entering what nobody had entered");
        number.set(1);
        check(number.get() == 1, "set");
        cv::ContextVar<int> made_in_child{"made_in_child"};
        made_in_child.set(2);
        check(made_in_child.get() == 2, "a new variable");
    });
    forked.count_down();
    other.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(*theirs.get(number), 7);
    EXPECT_NO_THROW(theirs.run([] {})) << "in the parent it can be entered again";
}

TEST_F(ForkTest, the_child_is_not_stopped_by_what_other_threads_were_doing) {
    if (contextvars_tests::thread_sanitized) {
        GTEST_SKIP() << "TSan does not follow a fork of several threads";
    }
    cv::ContextVar<int> number{"number", 0};
    std::atomic<bool> stop = false;
    std::latch busy(1);
    std::thread other([&] { // makes and destroys variables, enters, captures: takes every lock
        cv::Context context;
        for (long i = 0; !stop; ++i) {
            cv::ContextVar<std::string> v{"v"};
            context.run([&] { auto scope = v.scoped("x"); });
            const cv::Context copy = context;
            static_cast<void>(copy == context);
            if (i == 100) {
                busy.count_down();
            }
        }
    });
    busy.wait();
    for (int i = 0; i < 100; ++i) {
        const int failed = in_child([&](auto check) {
            alarm(20); // a child that waits for a lock nobody holds is killed
            cv::ContextVar<int> v{"v"};
            v.set(1);
            check(v.get() == 1, "a new variable");
            cv::Context context;
            context.run([&] { number.set(2); });
            check(*context.copy().get(number) == 2, "a context");
        });
        ASSERT_EQ(failed, 0) << "fork " << i;
    }
    stop = true;
    other.join();
}

TEST_F(ForkTest, the_child_can_read_and_copy_what_other_threads_were_copying) {
    if (contextvars_tests::thread_sanitized) {
        GTEST_SKIP() << "TSan does not follow a fork of several threads";
    }
    cv::ContextVar<int> number{"number", 0};
    cv::Context shared;
    shared.run([&] { number.set(3); });
    std::atomic<bool> stop = false;
    std::latch busy(1);
    std::thread other([&] {
        busy.count_down();
        while (!stop) {
            const cv::Context copy = shared;
        }
    });
    busy.wait();
    for (int i = 0; i < 200; ++i) {
        const int failed = in_child([&](auto check) {
            alarm(5); // a child that waits for the other thread, which it does not have, is killed
            check(*shared.copy().get(number) == 3, "a copy");
            check(shared.size() == 1, "the size");
            check(shared.run([&] { return number.get(); }) == 3, "a run");
        });
        EXPECT_EQ(failed, 0) << "fork " << i;
        if (failed != 0) {
            break;
        }
    }
    stop = true;
    other.join();
}

namespace {

/// Every operation on a context that another thread was copying, in a child.
struct operation {
    const char* name;
    void (*on)(std::unique_ptr<cv::Context>& context, bool empty,
               const cv::ContextVar<std::string>& text);
};

void expect_text(bool holds) {
    if (!holds) {
        std::fprintf(stderr, "in the child: wrong bindings\n");
        _exit(1);
    }
}

const operation operations[] = {
    {"destroy", [](auto& context, bool, auto&) { context.reset(); }},
    {"run_as_an_rvalue",
     [](auto& context, bool empty, auto& text) {
         std::move(*context).run([&] { expect_text((text.try_get() == nullptr) == empty); });
     }},
    {"move", [](auto& context, bool, auto&) { const cv::Context moved(std::move(*context)); }},
    {"assign_to", [](auto& context, bool, auto&) { *context = cv::Context(); }},
    {"assign_from",
     [](auto& context, bool empty, auto& text) {
         cv::Context other;
         other = *context;
         expect_text(other.contains(text) != empty);
     }},
    {"run",
     [](auto& context, bool empty, auto& text) {
         context->run([&] {
             expect_text((text.try_get() == nullptr) == empty);
             text.set("set in the child");
         });
         expect_text(*context->get(text) == "set in the child");
     }},
    {"copy", [](auto& context, bool empty,
                auto& text) { expect_text(context->copy().contains(text) != empty); }},
    {"look",
     [](auto& context, bool empty, auto&) {
         expect_text(context->empty() == empty);
         expect_text(context->items().size() == context->size());
         expect_text(*context == *context);
     }},
};

} // namespace

TEST_F(ForkTest, the_child_can_do_everything_with_what_other_threads_were_copying) {
    if (contextvars_tests::thread_sanitized) {
        GTEST_SKIP() << "TSan does not follow a fork of several threads";
    }
    cv::ContextVar<std::string> text{"text"};
    for (const operation& operation : operations) {
        for (const bool empty : {false, true}) {
            for (int i = 0; i < 25; ++i) {
                auto context = std::make_unique<cv::Context>();
                if (!empty) {
                    context->run([&] { text.set("a text"); });
                }
                std::atomic<bool> stop = false;
                std::latch busy(1);
                std::thread copier([&] {
                    const cv::Context first(*context);
                    busy.count_down();
                    while (!stop) {
                        const cv::Context copy(*context);
                    }
                });
                busy.wait();
                const int failed = in_child([&](auto) {
                    alarm(20);
                    operation.on(context, empty, text);
                });
                stop = true;
                copier.join();
                ASSERT_EQ(failed, 0)
                    << operation.name << (empty ? ", empty" : "") << ", fork " << i;
            }
        }
    }
}

TEST_F(ForkTest, a_child_of_a_child_twenty_deep_can_use_what_each_parent_was_copying) {
    if (contextvars_tests::thread_sanitized) {
        GTEST_SKIP() << "TSan does not follow a fork of several threads";
    }
    cv::ContextVar<std::string> text{"text"};
    cv::Context context;
    context.run([&] { text.set("a text"); });
    // Each process has a thread that copies, and forks the next one meanwhile.
    const auto descend = [&](const auto& self, int depth) -> int {
        alarm(60);
        if (*context.copy().get(text) != "a text" ||
            context.run([&] { return text.get(); }) != "a text")
            return depth;
        if (depth == 20)
            return 0;
        std::atomic<bool> stop = false;
        std::latch busy(1);
        std::thread copier([&] {
            const cv::Context first(context);
            busy.count_down();
            while (!stop) {
                const cv::Context copy(context);
            }
        });
        busy.wait();
        const pid_t child = fork();
        if (child == 0)
            _exit(self(self, depth + 1));
        stop = true;
        copier.join();
        int status = 0;
        waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + depth;
    };
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(descend(descend, 1), 0);
    }
}
