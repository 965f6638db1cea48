// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>
#include <contextvars/spdlog.hpp>

#include <gtest/gtest.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "support/isolated.hpp"

#include <latch>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using contextvars::async_context_logger;
using contextvars::context_fields;
using contextvars::context_formatter;
using contextvars::ContextVar;

ContextVar<std::string> user{"user"};
ContextVar<int> number{"number"};
ContextVar<std::string> password{"password", contextvars::attributes{.secret = true}};

class lines_sink : public spdlog::sinks::base_sink<std::mutex> {
public:
    std::vector<std::string> take() {
        const std::lock_guard lock(mutex_);
        return std::move(lines_);
    }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        lines_.emplace_back(line.data(), line.size());
        if (lines_.back().ends_with('\n'))
            lines_.back().pop_back();
    }
    void flush_() override {}

private:
    std::vector<std::string> lines_;
};

/// Logs from several threads, each with values of its own, which change from line to line.
void log_from_threads(spdlog::logger& logger, std::set<std::string>& expected) {
    constexpr int threads = 4;
    constexpr int lines = 2000;
    std::latch start(threads);
    std::vector<std::thread> running;
    for (int t = 0; t != threads; ++t) {
        for (int i = 0; i != lines; ++i)
            expected.insert(fmt::format("[user=u{0} number={1}] {0}: {1}", t, i));
        running.emplace_back([&, t] {
            const auto scope = user.scoped(fmt::format("u{}", t));
            start.arrive_and_wait();
            for (int i = 0; i != lines; ++i) {
                const auto line = number.scoped(i);
                logger.info("{}: {}", t, i);
            }
        });
    }
    for (std::thread& thread : running)
        thread.join();
}

void expect_each_once(const std::vector<std::string>& lines, std::set<std::string> expected) {
    int wrong = 0;
    for (const std::string& line : lines)
        if (expected.erase(line) == 0 && ++wrong < 5)
            ADD_FAILURE() << "a line that nobody logged, or twice: " << line;
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(expected.empty()) << expected.size() << " lines are missing, as "
                                  << *expected.begin();
}

class Spdlog : public contextvars_tests::Isolated {
protected:
    std::shared_ptr<lines_sink> sink = std::make_shared<lines_sink>();
    const context_fields fields{user, number, password};

    std::shared_ptr<spdlog::logger> synchronous(const char* pattern) {
        auto made = std::make_shared<spdlog::logger>("test", sink);
        made->set_formatter(context_formatter(fields, pattern));
        return made;
    }
    /// The pool ends, and has written all lines, when the pointer to it goes.
    std::shared_ptr<async_context_logger>
    asynchronous(const std::shared_ptr<spdlog::details::thread_pool>& pool, const char* pattern) {
        return std::make_shared<async_context_logger>("test", std::vector<spdlog::sink_ptr>{sink},
                                                      fields, pattern, pool);
    }
    static std::shared_ptr<spdlog::details::thread_pool> pool(std::size_t threads = 1) {
        return std::make_shared<spdlog::details::thread_pool>(256, threads);
    }
};

TEST_F(Spdlog, a_synchronous_logger_prints_the_values_of_each_caller) {
    std::set<std::string> expected;
    log_from_threads(*synchronous("[%*] %v"), expected);
    expect_each_once(sink->take(), expected);
}

// The bug of the field: an asynchronous logger formats on its own thread, in another context.
TEST_F(Spdlog, a_line_that_is_queued_has_the_values_of_its_own_caller) {
    std::set<std::string> expected;
    {
        const auto workers = pool(2);
        log_from_threads(*asynchronous(workers, "[%*] %v"), expected);
    }
    expect_each_once(sink->take(), expected);
}

TEST_F(Spdlog, a_secret_variable_is_in_no_line) {
    const auto scope = contextvars::scoped(user.to("ann"), password.to("1234"));
    synchronous("%* %V")->info("hello");
    {
        const auto workers = pool();
        asynchronous(workers, "%* %V")->info("hello");
    }
    EXPECT_EQ(sink->take(),
              (std::vector<std::string>{R"(user=ann "hello")", R"(user=ann "hello")"}));
}

TEST_F(Spdlog, a_message_and_a_value_with_tabs_are_told_apart) {
    const auto scope = user.scoped("a\tb");
    {
        const auto workers = pool();
        const auto logger = asynchronous(workers, "<%*><%v><%V>");
        logger->info("x\ty");
        logger->info("");
    }
    EXPECT_EQ(sink->take(), (std::vector<std::string>{"<user=\"a\\tb\"><x\ty><\"x\\ty\">",
                                                      "<user=\"a\\tb\"><><\"\">"}));
}

TEST_F(Spdlog, the_asynchronous_logger_keeps_level_place_and_name) {
    {
        const auto workers = pool();
        const auto logger = asynchronous(workers, "%n %l %# %v");
        logger->set_level(spdlog::level::debug);
        logger->trace("not logged");
        logger->log(spdlog::source_loc{"file.cpp", 42, "f"}, spdlog::level::debug, "logged");
        const auto named = logger->clone("other");
        named->warn("named");
    }
    EXPECT_EQ(sink->take(),
              (std::vector<std::string>{"test debug 42 logged", "other warning  named"}));
}

TEST_F(Spdlog, a_formatter_of_another_kind_shows_the_values_before_the_message) {
    const auto scope = user.scoped("ann");
    {
        const auto workers = pool();
        const auto logger = asynchronous(workers, "%v");
        logger->set_pattern("plain %v");
        logger->info("hello");
    }
    EXPECT_EQ(sink->take(), (std::vector<std::string>{"plain user=ann\thello"}));
}

TEST_F(Spdlog, a_clone_of_a_formatter_prints_the_same) {
    const auto scope = user.scoped("ann");
    auto logger = std::make_shared<spdlog::logger>("test", sink);
    logger->set_formatter(context_formatter(fields, "[%*] %v")->clone());
    logger->info("hello");
    EXPECT_EQ(sink->take(), (std::vector<std::string>{"[user=ann] hello"}));
}

} // namespace
