// SPDX-License-Identifier: MIT
//
// A program whose operator new and delete read and set variables, as one does that accounts memory to
// a request: whatever the library is doing, it does not call them in the middle of it.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::isolated;
using AllocatorsTest = contextvars_tests::Isolated;

namespace {

constinit cv::ContextVar<long> allocated{"allocated", 0};
constinit cv::ContextVar<int> request{"request", -1};

thread_local bool accounts = false;   // whether the functions below use the library
thread_local int wanted_request = -1; // what they must read
thread_local int wrong = 0;
thread_local std::deque<cv::ContextVar<long>>* others =
    nullptr; // which they bind, one after the other
thread_local std::size_t next_other = 0;

void account(long change) {
    if (!accounts) {
        return;
    }
    accounts = false; // what the library or the test does in here is not accounted
    wrong += request.get() != wanted_request;
    allocated.set(allocated.get() + change);
    if (others != nullptr) {
        (*others)[next_other++ % others->size()].set(change);
    }
    const cv::Context copy = cv::copy_context();
    wrong += *copy.get(request) != wanted_request;
    accounts = true;
}

/// Accounts while it lives.
class Accounting {
public:
    explicit Accounting(int of_request) {
        request.set(of_request);
        wanted_request = of_request;
        wrong = 0;
        accounts = true;
    }
    ~Accounting() { accounts = false; }
    Accounting(const Accounting&) = delete;
    Accounting& operator=(const Accounting&) = delete;
};

constexpr const char* long_text = "a text that is too long for the small string buffer";

void do_everything() {
    cv::ContextVar<int> small{"small"};
    cv::ContextVar<std::string> large{std::string("large, and with a long name of its own")};
    std::vector<cv::Context> captured;
    for (int i = 0; i < 40; ++i) {
        small.set(i);
        auto token = large.set(long_text);
        captured.push_back(cv::copy_context());
        const auto scope = cv::scoped(small.to(i), large.to("scoped"));
        captured.push_back(cv::copy_context());
        cv::copy_context().run([&] {
            small.set(1);
            large.set(long_text);
            captured.push_back(cv::copy_context());
        });
        const auto bound = cv::bind_context([&] { small.set(2); });
        bound();
        bound();
        cv::ext::flow flow;
        flow.resume();
        small.set(3);
        flow.suspend();
        large.reset(token);
    }
    std::ostringstream out;
    for (const auto& context : captured) {
        out << context;
        EXPECT_TRUE(context == context.copy());
        EXPECT_EQ(context.items().size(), context.size());
    }
    for (int i = 0; i < 150; ++i) { // places in the trie, and dead variables
        cv::ContextVar<std::string> dead{"dead"};
        dead.set(long_text);
    }
}

} // namespace

void* operator new(std::size_t size) {
    void* const memory = std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    account(static_cast<long>(size));
    return memory;
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    const auto step = static_cast<std::size_t>(alignment);
    void* const memory = std::aligned_alloc(step, (size + step - 1) / step * step);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    account(static_cast<long>(size));
    return memory;
}
void operator delete(void* memory) noexcept {
    std::free(memory);
    account(-1);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
    account(-1);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
    account(-1);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
    account(-1);
}

TEST_F(AllocatorsTest, that_set_variables_find_every_operation_before_or_after) {
    for (int i = 0; i < 20; ++i) {
        std::thread([i] { // with free lists that are empty
            {
                const Accounting accounting(i);
                do_everything();
            }
            EXPECT_EQ(wrong, 0);
            EXPECT_EQ(request.get(), i);
            EXPECT_NE(allocated.get(), 0);
        })
            .join();
    }
}

TEST_F(AllocatorsTest, that_set_many_variables_find_every_operation_before_or_after) {
    std::deque<cv::ContextVar<long>> many;
    for (int i = 0; i < 200; ++i) {
        many.emplace_back("other");
    }
    for (int i = 0; i < 20; ++i) {
        std::thread([&, i] {
            others = &many;
            {
                const Accounting accounting(i);
                do_everything();
            }
            others = nullptr;
            EXPECT_EQ(wrong, 0);
            EXPECT_EQ(request.get(), i);
            EXPECT_GE(cv::copy_context().size(), 100u);
        }).join();
    }
}

TEST_F(AllocatorsTest, that_set_variables_for_the_first_time_find_no_lock_taken) {
    std::thread([] {
        const Accounting accounting(1);
        for (int i = 0; i < 300; ++i) {
            std::deque<cv::ContextVar<long>> fresh;
            accounts = false;
            fresh.emplace_back("fresh");
            others = &fresh;
            accounts = true;
            cv::ContextVar<std::string> v{"v" + std::to_string(i)};
            v.set(long_text);
            others = nullptr;
        }
        EXPECT_EQ(wrong, 0);
    }).join();
}
