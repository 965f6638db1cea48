// SPDX-License-Identifier: MIT
//
// The end of a process inside entered contexts is no misuse: its exit code is as asked, and nothing
// is written to standard error. An entered context that is destroyed and then left is misuse.
//
// Each case runs in processes of its own, which are this program with the case as its arguments.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/environment.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <latch>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cv = contextvars;

// A process that ends inside what it has entered gives nothing back.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

namespace {

cv::ContextVar<std::string> name{"name", "-"};

using end = std::function<void()>;

// Each enters something, and calls `now`, inside which the process ends.

void in_run_of_a_static(const end& now) {
    static cv::Context root;
    root.run([&] {
        name.set("set inside, and too long for the small string buffer");
        now();
    });
}
void in_run_of_a_static_rvalue(const end& now) {
    static cv::Context root;
    std::move(root).run([&] {
        name.set("set inside, and too long for the small string buffer");
        now();
    });
}
void in_enter_of_a_static(const end& now) {
    static cv::Context root;
    const auto entered = root.enter();
    now();
}
void in_a_static_guard(const end& now) {
    static cv::Context root;
    static cv::Entered entered(root);
    name.set("set inside, and too long for the small string buffer");
    now();
}
void in_a_static_guard_of_a_context_that_is_destroyed_first(const end& now) {
    static std::optional<cv::Entered> entered;
    static cv::Context root;
    entered.emplace(root);
    name.set("set inside, and too long for the small string buffer");
    now();
}
void inside_a_static_guard(const end& now) {
    static cv::Context root;
    static cv::Entered entered(root);
    cv::Context inner;
    inner.run(now);
}
void inside_a_guard_that_a_static_owns(const end& now) {
    static cv::Context below;
    static std::unique_ptr<cv::Entered> guard; // ends first, and is freed
    guard = std::make_unique<cv::Entered>(below);
    cv::Context above;
    above.run(now);
}
/// The other thread leaves the context after it was destroyed, and before the process is gone.
void while_another_thread_is_inside_a_static(const end& now) {
    static std::latch entered(1);
    static std::latch destroyed(1);
    static std::latch left(1);
    struct waits_at_the_end {
        ~waits_at_the_end() { left.wait(); }
    };
    struct signals_at_the_end {
        ~signals_at_the_end() { destroyed.count_down(); }
    };
    static const waits_at_the_end last;
    static const signals_at_the_end second;
    static cv::Context context;
    std::thread([] {
        context.run([] {
            entered.count_down();
            destroyed.wait();
        });
        left.count_down();
    }).detach();
    entered.wait();
    now();
}
void in_run_of_one_that_a_static_owns(const end& now) {
    static const auto root = std::make_unique<cv::Context>();
    root->run([&] {
        name.set("set inside, and too long for the small string buffer");
        now();
    });
}
void in_run_of_one_in_a_static_vector(const end& now) {
    static std::vector<cv::Context> sessions(3);
    sessions[0].run([&] { sessions[1].run(now); });
}
void in_run_of_a_static_that_was_copied_meanwhile(const end& now) {
    static cv::Context root;
    root.run([&] {
        static const cv::Context copy = root.copy();
        now();
    });
}
void in_a_static_flow(const end& now) {
    static cv::ext::flow flow;
    flow.resume();
    now();
}
void inside_a_static_flow(const end& now) {
    static cv::ext::flow flow;
    flow.resume();
    cv::Context inner;
    inner.run(now);
}
void in_a_static_flow_with_a_static_context(const end& now) {
    static cv::Context context;
    static cv::ext::flow flow(context);
    flow.resume();
    now();
}
void in_a_static_flow_with_a_static_context_that_is_destroyed_first(const end& now) {
    static std::optional<cv::ext::flow> flow;
    static cv::Context context;
    flow.emplace(context);
    flow->resume();
    now();
}
void beside_a_static_context_that_a_suspended_flow_has(const end& now) {
    static std::optional<cv::ext::flow> flow;
    static cv::Context context;
    flow.emplace(context);
    now();
}
void with_an_open_static_scope(const end& now) {
    static const auto scope = name.scoped("scoped");
    now();
}
void with_an_open_static_scope_inside_run(const end& now) {
    static const auto scope = name.scoped("scoped");
    static cv::Context root;
    root.run(now);
}
void in_a_thread_local_context(const end& now) {
    thread_local cv::Context root;
    root.run(now);
}

struct place {
    const char* name;
    void (*enter)(const end&);
};
constexpr place places[] = {
    {"run", in_run_of_a_static},
    {"run_rvalue", in_run_of_a_static_rvalue},
    {"enter", in_enter_of_a_static},
    {"static_guard", in_a_static_guard},
    {"static_guard_of_context_destroyed_first",
     in_a_static_guard_of_a_context_that_is_destroyed_first},
    {"inside_static_guard", inside_a_static_guard},
    {"inside_owned_guard", inside_a_guard_that_a_static_owns},
    {"owned", in_run_of_one_that_a_static_owns},
    {"vector", in_run_of_one_in_a_static_vector},
    {"copied", in_run_of_a_static_that_was_copied_meanwhile},
    {"flow", in_a_static_flow},
    {"inside_flow", inside_a_static_flow},
    {"flow_with_context", in_a_static_flow_with_a_static_context},
    {"flow_with_context_destroyed_first",
     in_a_static_flow_with_a_static_context_that_is_destroyed_first},
    {"suspended_flow", beside_a_static_context_that_a_suspended_flow_has},
    {"scope", with_an_open_static_scope},
    {"scope_inside_run", with_an_open_static_scope_inside_run},
    {"thread_local", in_a_thread_local_context},
};

void exits() { std::exit(3); }
void exits_quickly() { std::quick_exit(3); }
void exits_on_another_thread() {
    std::thread(exits).join(); // which never ends
}
/// What this thread has entered, the child inherits; and the child ends by exit().
void exits_in_a_child() {
    const pid_t child = fork();
    if (child == 0)
        std::exit(3);
    int status = 0;
    waitpid(child, &status, 0);
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

struct manner {
    const char* name;
    void (*end)();
};
constexpr manner manners[] = {
    {"exit", exits},
    {"quick_exit", exits_quickly},
    {"other_thread", exits_on_another_thread},
    {"child", exits_in_a_child},
};

/// The worker of a parent has entered everything; its child's only thread exits, or returns from main.
int end_in_a_child_of(const place& place, const std::string& how) {
    static std::latch entered(1);
    std::thread worker([&] {
        place.enter([] {
            entered.count_down();
            std::this_thread::sleep_for(std::chrono::hours(1));
        });
    });
    entered.wait();
    worker.detach();
    const pid_t child = fork();
    if (child == 0) {
        if (how == "return")
            return 3;
        how == "exit" ? std::exit(3) : std::quick_exit(3);
    }
    int status = 0;
    waitpid(child, &status, 0);
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

/// The process that a case is.
int be(const std::string& place_name, const std::string& how) {
    constexpr place other_inside{"other_inside", while_another_thread_is_inside_a_static};
    std::vector<place> all(std::begin(places), std::end(places));
    all.push_back(other_inside); // for this thread's end only
    for (const place& place : all) {
        if (place_name != place.name)
            continue;
        if (how.starts_with("worker_"))
            return end_in_a_child_of(place, how.substr(7));
        if (how == "return") { // from main, which has entered what is static and not left it
            static int code = 0;
            place.enter([] { code = 3; });
            return code;
        }
        for (const manner& manner : manners)
            if (how == manner.name)
                place.enter(manner.end);
    }
    return 98;
}

struct outcome {
    int code;
    std::string errors;
};

outcome run_case(const char* place, const std::string& how) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0)
        return {97, "no pipe"};
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "process_end", "--case", place, how.c_str(), nullptr);
        std::_Exit(96);
    }
    close(ends[1]);
    std::string errors;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;)
        errors.append(buffer.data(), static_cast<std::size_t>(n));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), errors};
}

class ProcessEndTest : public testing::TestWithParam<place> {
protected:
    static void expect_an_ordinary_end(const std::string& how) {
        const outcome ended = run_case(GetParam().name, how);
        EXPECT_EQ(ended.code, 3) << how;
        EXPECT_EQ(ended.errors, "") << how;
    }
};

} // namespace

TEST_P(ProcessEndTest, by_exit_is_no_misuse) { expect_an_ordinary_end("exit"); }
TEST(ProcessEndsTest, while_another_thread_is_inside_a_static_context_is_no_misuse) {
    for (const char* how : {"exit", "quick_exit", "return"}) {
        const outcome ended = run_case("other_inside", how);
        EXPECT_EQ(ended.code, 3) << how;
        EXPECT_EQ(ended.errors, "") << how;
    }
}

TEST_P(ProcessEndTest, by_quick_exit_is_no_misuse) { expect_an_ordinary_end("quick_exit"); }
TEST_P(ProcessEndTest, by_a_return_from_main_is_no_misuse) { expect_an_ordinary_end("return"); }
TEST_P(ProcessEndTest, by_exit_on_another_thread_is_no_misuse) {
    expect_an_ordinary_end("other_thread");
}
TEST_P(ProcessEndTest, of_a_child_by_exit_is_no_misuse) { expect_an_ordinary_end("child"); }
TEST_P(ProcessEndTest, of_a_child_whose_parents_worker_is_inside_is_no_misuse) {
    expect_an_ordinary_end("worker_exit");
    expect_an_ordinary_end("worker_quick_exit");
    expect_an_ordinary_end("worker_return");
}

INSTANTIATE_TEST_SUITE_P(, ProcessEndTest, testing::ValuesIn(places),
                         [](const auto& info) { return std::string(info.param.name); });

namespace {

class DestroyedContextDeathTest : public testing::Test {
protected:
    void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

constexpr const char* destroyed = "a context was destroyed while it was entered; it must outlive";

} // namespace

TEST(DestroyedContextTest, keeps_its_bindings_for_whoever_entered_it) {
    // Inside a thread that ends without leaving, so that nothing is reported.
    std::string seen;
    std::string changed;
    std::thread([&] {
        auto context = std::make_unique<cv::Context>();
        context->run([] { name.set("set before, and too long for the small string buffer"); });
        const auto never_left = new cv::Entered(*context);
        static_cast<void>(never_left);
        context.reset();
        seen = name.get();
        name.set("set later, and too long for the small string buffer");
        changed = name.get();
        const cv::Context copy = cv::copy_context();
        EXPECT_EQ(copy[name], changed);
    }).join();
    EXPECT_EQ(seen, "set before, and too long for the small string buffer");
    EXPECT_EQ(changed, "set later, and too long for the small string buffer");
}

TEST(DestroyedContextTest, that_was_changed_inside_gives_back_its_former_bindings) {
    const auto before = std::make_shared<int>(1);
    static cv::ContextVar<std::shared_ptr<int>> held{"held"};
    std::thread([&] {
        auto context = std::make_unique<cv::Context>();
        context->run([&] { held.set(before); });
        static_cast<void>(new cv::Entered(*context));
        held.set(nullptr);
        EXPECT_EQ(before.use_count(), 2);
        context.reset();
        EXPECT_EQ(before.use_count(), 1);
        EXPECT_EQ(held.get(), nullptr);
    }).join();
}

TEST_F(DestroyedContextDeathTest, is_reported_when_it_is_left_by_run) {
    EXPECT_DEATH(
        {
            auto* context = new cv::Context;
            context->run([&] {
                delete context;
                std::fputs("inside\n", stderr);
            });
        },
        std::string("inside\ncontextvars: ") + destroyed);
}

TEST(DestroyedContextTest, is_named_by_its_own_address_as_long_as_it_is_entered) {
    std::string message;
    std::ostringstream address;
    std::thread([&] {
        static cv::ContextVar<int> number{"number"};
        auto token = number.set(1);
        auto context = std::make_unique<cv::Context>();
        address << context.get();
        static_cast<void>(new cv::Entered(*context));
        context.reset();
        try {
            number.reset(token);
        } catch (const cv::ValueError& error) {
            message = error.what();
        }
    }).join();
    EXPECT_NE(message.find("<Context at " + address.str() + ">"), std::string::npos) << message;
}

TEST_F(DestroyedContextDeathTest, is_reported_when_it_is_left_by_run_of_an_rvalue) {
    EXPECT_DEATH(
        {
            auto* context = new cv::Context;
            std::move(*context).run([&] {
                delete context;
                std::fputs("inside\n", stderr);
            });
        },
        std::string("inside\ncontextvars: ") + destroyed);
}

TEST_F(DestroyedContextDeathTest, is_reported_when_its_guard_ends) {
    EXPECT_DEATH(
        {
            auto context = std::make_unique<cv::Context>();
            auto guard = std::make_unique<cv::Entered>(*context);
            name.set("changed");
            context.reset();
            std::fputs("inside\n", stderr);
            guard.reset();
        },
        std::string("inside\ncontextvars: ") + destroyed);
}

TEST_F(DestroyedContextDeathTest, is_reported_when_a_flow_is_suspended_that_runs_in_it) {
    EXPECT_DEATH(
        {
            auto context = std::make_unique<cv::Context>();
            cv::ext::flow flow(*context);
            flow.resume();
            context.reset();
            std::fputs("inside\n", stderr);
            flow.suspend();
        },
        std::string("inside\ncontextvars: ") + destroyed);
}

TEST_F(DestroyedContextDeathTest, is_reported_when_a_flow_is_resumed_that_is_to_run_in_it) {
    EXPECT_DEATH(
        {
            auto context = std::make_unique<cv::Context>();
            cv::ext::flow flow(*context);
            context.reset();
            std::fputs("suspended\n", stderr);
            flow.resume();
        },
        std::string("suspended\ncontextvars: ") + destroyed);
}

TEST(DestroyedContextTest, is_not_missed_by_a_flow_that_is_destroyed_suspended) {
    const contextvars_tests::RecordedDiagnostics diagnostics;
    auto context = std::make_unique<cv::Context>();
    auto flow = std::make_unique<cv::ext::flow>(*context);
    auto moved = std::make_unique<cv::ext::flow>(std::move(*flow));
    flow.reset();
    context.reset();
    EXPECT_EQ(cv::detail::snapshot_map::get(moved->copy())->size, 0u);
    moved.reset();
    EXPECT_TRUE(diagnostics.empty());
}

TEST(DestroyedFlowTest, gives_the_thread_back_its_own_context) {
    name.set("outside");
    auto flow = std::make_unique<cv::ext::flow>();
    flow->resume();
    name.set("inside");
    flow.reset();
    EXPECT_EQ(name.get(), "outside");
    cv::Context context;
    flow = std::make_unique<cv::ext::flow>(context);
    flow->resume();
    name.set("in the context");
    flow.reset();
    EXPECT_EQ(name.get(), "outside");
    EXPECT_EQ(context[name], "in the context");
    EXPECT_NO_THROW(context.run([] {}));
}

int main(int argc, char** argv) {
    if (argc == 4 && std::strcmp(argv[1], "--case") == 0)
        return be(argv[2], argv[3]);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
