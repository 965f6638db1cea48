// SPDX-License-Identifier: MIT
//
// The result of every system call that the library makes is looked at. Here each fails in turn: the
// functions below stand in the place of the C library's.
#include "lifetime/plugin.hpp"

#include <contextvars/contextvars.hpp>

#include "support/failing_allocation.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace cv = contextvars;

// What a thread has when its end is refused, is lost.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

contextvars::ContextVar<std::string>& programs_variable() {
    static cv::ContextVar<std::string> variable{"program", "-"};
    return variable;
}
void wait_for_a_thread_that_binds() {}

namespace {

// Of the calling thread.
thread_local bool no_keys = false;
thread_local bool no_values_of_keys = false;
thread_local bool no_modules = false;
std::atomic<int> failures = 0;
std::atomic<pthread_key_t> key_made_last = 0;

template <class Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

} // namespace

extern "C" int pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) noexcept {
    if (no_keys) {
        ++failures;
        return EAGAIN;
    }
    const int result =
        next<int(pthread_key_t*, void (*)(void*))>("pthread_key_create")(key, destructor);
    key_made_last = *key;
    return result;
}

extern "C" int pthread_setspecific(pthread_key_t key, const void* value) noexcept {
    // The library's key is made when it is first used; a sanitizer's, which must not fail, before.
    if (no_values_of_keys && key == key_made_last) {
        ++failures;
        return ENOMEM;
    }
    return next<int(pthread_key_t, const void*)>("pthread_setspecific")(key, value);
}

extern "C" void* dlopen(const char* file, int mode) noexcept {
    if (no_modules) {
        ++failures;
        return nullptr;
    }
    return next<void*(const char*, int)>("dlopen")(file, mode);
}

// In their order: the first test is the first use of the library in this process.

TEST(SystemCallsTest, no_key_is_left_when_a_thread_sets_first) {
    cv::ContextVar<int> v{"v"};
    std::thread([&] {
        no_keys = true;
        EXPECT_THROW(v.set(1), std::bad_alloc);
        EXPECT_THROW(v.emplace(1), std::bad_alloc) << "it is not tried only once";
        EXPECT_EQ(v.try_get(), nullptr);
        const cv::Context copy = cv::copy_context();
        EXPECT_TRUE(copy.empty());
        cv::bind_context([] {})();
        EXPECT_GE(failures, 2);
    }).join();
}

TEST(SystemCallsTest, a_key_is_to_be_had_later) {
    cv::ContextVar<int> v{"v"};
    std::thread([&] {
        no_keys = true;
        EXPECT_THROW(v.set(1), std::bad_alloc);
        no_keys = false;
        v.set(2);
        EXPECT_EQ(v.get(), 2);
    }).join();
}

TEST(SystemCallsTest, no_memory_is_left_for_a_threads_value_of_the_key) {
    cv::ContextVar<std::string> v{"v"};
    failures = 0;
    std::thread([] { cv::ContextVar<int>("first").set(1); }).join(); // makes the key
    std::thread([&] {
        no_values_of_keys = true;
        EXPECT_THROW(v.set("a"), std::bad_alloc);
        EXPECT_EQ(v.try_get(), nullptr);
        EXPECT_TRUE(cv::copy_context().empty());
        no_values_of_keys = false;
        v.set("b");
        EXPECT_EQ(v.get(), "b");
    }).join();
    EXPECT_GE(failures, 1);
}

namespace {

/// When it is destroyed, it is set again, `rounds` times.
struct sets_again {
    explicit sets_again(int rounds) : left(rounds) {}
    sets_again(const sets_again&) = delete;
    sets_again& operator=(const sets_again&) = delete;
    ~sets_again();
    int left;
};
cv::ContextVar<sets_again> again{"again"};
int destroyed = 0;

sets_again::~sets_again() {
    ++destroyed;
    no_values_of_keys = true;
    if (left > 0) {
        again.emplace(left - 1);
    }
}

} // namespace

TEST(SystemCallsTest, a_threads_value_of_the_key_is_refused_while_the_thread_ends) {
    failures = 0;
    std::thread([] { again.emplace(9); }).join();
    EXPECT_EQ(destroyed, 10) << "more rounds than the C library gives";
    EXPECT_GE(failures, 1);
}

TEST(SystemCallsTest, no_module_can_be_kept_loaded) {
    const contextvars_tests::RecordedDiagnostics diagnostics;
    void* const plugin = dlopen(CONTEXTVARS_TESTS_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(plugin, nullptr) << dlerror();
    auto* const bind = reinterpret_cast<void (*)()>(dlsym(plugin, "bind_variables"));
    failures = 0;
    {
        cv::Context context;
        no_modules = true;
        context.run([&] { bind(); });
        no_modules = false;
        EXPECT_EQ(context.size(), 3u) << "the bindings are there all the same";
    }
    EXPECT_GE(failures, 1);
    const auto told = diagnostics.all();
    ASSERT_GE(told.size(), 1u);
    EXPECT_EQ(told[0].kind, cv::diagnostic_kind::module_not_kept);
    EXPECT_NE(told[0].what.find("must not be closed"), std::string::npos);
    dlclose(plugin);
}
