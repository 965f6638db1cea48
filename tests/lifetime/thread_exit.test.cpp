// SPDX-License-Identifier: MIT
//
// What a thread had set lives until the last of its thread-exit destructors has run.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <pthread.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;

namespace {

constinit cv::ContextVar<int> number{"number"};
constinit cv::ContextVar<std::string> text{"text"};
constinit cv::ContextVar<Counted> counted{"counted"};

/// Calls what it was given when its thread ends.
struct AtThreadExit {
    std::function<void()> f;
    ~AtThreadExit() {
        if (f) {
            f();
        }
    }
};
thread_local AtThreadExit first_made;  // destroyed last
thread_local AtThreadExit second_made; // destroyed first

struct Key {
    explicit Key(void (*destructor)(void*)) { pthread_key_create(&key, destructor); }
    ~Key() { pthread_key_delete(key); }
    pthread_key_t key{};
};

} // namespace

TEST(ThreadExitTest, thread_local_destructors_still_see_what_was_set) {
    const NothingLeaks leaks;
    int seen = 0;
    std::string seen_text;
    bool value_alive = false;
    std::thread([&] {
        first_made.f = [&] { // made before the library was used on this thread
            seen = number.get();
            seen_text = text.get();
            value_alive = counted.try_get() != nullptr && counted.get().value == 3;
        };
        number.set(1);
        text.set("a text that is too long for the small string buffer");
        counted.set(Counted(3));
    }).join();
    EXPECT_EQ(seen, 1);
    EXPECT_EQ(seen_text, "a text that is too long for the small string buffer");
    EXPECT_TRUE(value_alive);
}

TEST(ThreadExitTest, thread_local_destructors_may_use_everything) {
    const NothingLeaks leaks;
    int seen_by_last = 0;
    std::thread([&] {
        first_made.f = [&] { seen_by_last = number.get(); };
        second_made.f = [&] {
            EXPECT_EQ(number.get(), 1);
            auto token = number.set(2);
            number.reset(token);
            isolated([] { counted.set(Counted(9)); });
            const cv::Context captured = cv::copy_context();
            EXPECT_EQ(*captured.get(number), 1);
            auto scope = text.scoped("scoped");
            counted.set(Counted(10));
            number.set(4);
        };
        number.set(1);
    }).join();
    EXPECT_EQ(seen_by_last, 4);
}

TEST(ThreadExitTest, a_first_set_in_a_thread_local_destructor_leaks_nothing) {
    const NothingLeaks leaks;
    bool set = false;
    std::thread([&] {
        first_made.f = [&] {
            counted.set(Counted(1));
            set = counted.get().value == 1;
        };
    }).join();
    EXPECT_TRUE(set);
}

TEST(ThreadExitTest, destructors_of_pthread_keys_may_set_too) {
    static int rounds;
    static bool right;
    rounds = 0;
    right = true;
    const NothingLeaks leaks;
    static pthread_key_t own;
    Key key([](void* pointer) {
        ++rounds;
        counted.set(Counted(rounds));
        text.set("a text that is too long for the small string buffer");
        right = right && counted.get().value == rounds && text.get().size() > 40;
        if (rounds < 2) {
            pthread_setspecific(own, pointer);
        }
    });
    own = key.key;
    std::thread([&] {
        pthread_setspecific(own, &key);
        counted.set(Counted(0));
    }).join();
    EXPECT_EQ(rounds, 2);
    EXPECT_TRUE(right);
}

TEST(ThreadExitTest, destructors_of_values_may_read_and_set_when_their_thread_ends) {
    struct Reads {
        std::function<void()> f;
        explicit Reads(std::function<void()> g) : f(std::move(g)) {}
        Reads(Reads&& other) noexcept : f(std::exchange(other.f, nullptr)) {}
        ~Reads() {
            if (f) {
                f();
            }
        }
    };
    static cv::ContextVar<Reads> v{"v"};
    const NothingLeaks leaks;
    bool called = false;
    bool still_bound = false;
    std::thread([&] {
        number.set(1);
        v.set(Reads([&] {
            called = true;
            still_bound = v.try_get() != nullptr || number.try_get() != nullptr;
            counted.set(Counted(1));
            static_cast<void>(cv::copy_context());
        }));
    }).join();
    EXPECT_TRUE(called);
    EXPECT_FALSE(still_bound) << "the bindings are gone before their values are";
}

TEST(ThreadExitTest, what_was_captured_outlives_its_thread) {
    const NothingLeaks leaks;
    {
        cv::Context captured;
        std::unique_ptr<cv::Token<std::string>> token;
        std::thread([&] {
            text.set("first");
            token = std::make_unique<cv::Token<std::string>>(text.set("second"));
            counted.set(Counted(5));
            captured = cv::copy_context();
        }).join();
        EXPECT_EQ(captured[text], "second");
        EXPECT_EQ(captured[counted].value, 5);
        EXPECT_EQ(*token->old_value(), "first");
        EXPECT_FALSE(leaks.holds());
    }
}

TEST(ThreadExitTest, many_threads_one_after_the_other_leave_nothing_behind) {
    const NothingLeaks leaks;
    for (int i = 0; i < 200; ++i) {
        std::thread([i] {
            EXPECT_EQ(counted.try_get(), nullptr);
            counted.set(Counted(i));
            EXPECT_EQ(counted.get().value, i);
        }).join();
    }
}

TEST(ThreadExitTest, a_thread_of_this_library_ends_the_same) {
    const NothingLeaks leaks;
    isolated([] {
        counted.set(Counted(1));
        cv::thread([] {
            first_made.f = [] { counted.set(Counted(3)); };
            EXPECT_EQ(counted.get().value, 1);
            counted.set(Counted(2));
        }).join();
        EXPECT_EQ(counted.get().value, 1);
    });
}

TEST(ThreadExitTest, a_thread_that_ends_inside_a_context_leaves_its_bindings_whole) {
    using entered = decltype(std::declval<cv::Context&>().enter());
    static cv::Context* const context = new cv::Context; // it stays entered for ever
    static entered* guard = nullptr;
    context->run([] { text.set("bound before, and too long for the small string buffer"); });
    const NothingLeaks leaks;
    std::thread([] {
        counted.set(Counted(1));
        guard = new entered(context->enter());
    }).join();
    EXPECT_TRUE(leaks.holds()) << "the thread's base context is gone";
    EXPECT_EQ(context->get(text, ""), "bound before, and too long for the small string buffer");
    EXPECT_EQ(context->copy().size(), 1u);
    EXPECT_NE(guard, nullptr);
    EXPECT_THROW(context->run([] {}), cv::RuntimeError);
}

TEST(ThreadExitTest, a_thread_that_ends_inside_a_context_it_changed_leaves_its_bindings_whole) {
    using entered = decltype(std::declval<cv::Context&>().enter());
    static cv::Context* const context = new cv::Context;
    static entered* guard = nullptr;
    context->run([] { text.set("bound before, and too long for the small string buffer"); });
    const NothingLeaks leaks;
    std::thread([] {
        guard = new entered(context->enter());
        number.set(5);
        counted.set(Counted(1));
        text.set("bound inside, and too long for the small string buffer");
    }).join();
    EXPECT_TRUE(leaks.holds()) << "what it had bound inside, and shown to nobody, is gone";
    EXPECT_GE(context->get(text, "").size(), 40u);
    EXPECT_NE(guard, nullptr);
    EXPECT_THROW(context->run([] {}), cv::RuntimeError);
}

TEST(ThreadExitTest, a_thread_that_ends_with_a_scope_open_leaves_nothing_behind) {
    const contextvars_tests::RecordedDiagnostics diagnostics;
    const NothingLeaks leaks;
    {
        using scope = decltype(counted.scoped(Counted(1)));
        std::unique_ptr<scope> open;
        std::thread([&] { open.reset(new scope(counted.scoped(Counted(1)))); }).join();
        isolated([&] {
            open.reset();
            EXPECT_EQ(counted.try_get(), nullptr);
        });
    }
    EXPECT_TRUE(diagnostics.empty());
}

TEST(ThreadExitTest, pthread_exit_leaves_every_context) {
#if defined(__GLIBC__) && defined(_LIBCPP_VERSION)
    GTEST_SKIP() << "glibc unwinds by libgcc, libc++ by libunwind: each such program crashes";
#endif
    const NothingLeaks leaks;
    {
        static cv::Context* outer;
        static cv::Context* inner;
        cv::Context a;
        cv::Context b;
        outer = &a;
        inner = &b;
        pthread_t thread{};
        pthread_create(
            &thread, nullptr,
            [](void*) -> void* {
                outer->run([] {
                    counted.set(Counted(1));
                    const auto guard = inner->enter();
                    auto scope = counted.scoped(Counted(2));
                    pthread_exit(nullptr);
                });
                return nullptr;
            },
            nullptr);
        pthread_join(thread, nullptr);
        EXPECT_EQ(a.run([] { return counted.get().value; }), 1);
        EXPECT_EQ(b.run([] { return counted.try_get(); }), nullptr);
    }
}
