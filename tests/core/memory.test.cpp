// SPDX-License-Identifier: MIT
//
// Where the library asks for memory, and that it gives all of it back.
#include <contextvars/contextvars.hpp>

#include "support/environment.hpp"
#include "support/failing_allocation.hpp"
#include "support/isolated.hpp"
#include "support/throw_at.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <new>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::allocations_of;
using contextvars_tests::FailingAllocation;
using contextvars_tests::FailingCopy;
using contextvars_tests::isolated;
using contextvars_tests::ThrowAt;
using MemoryTest = contextvars_tests::Isolated;

namespace {

/// Fails if f, called a thousand times, leaves more blocks behind than a cache may keep.
template <class F>
void expect_no_growth(F f) {
    constexpr int calls = 1000;
    for (int i = 0; i < calls; ++i) {
        f(i);
    }
    const long before = contextvars_tests::allocations::live;
    for (int i = 0; i < calls; ++i) {
        f(i);
    }
    EXPECT_LT(contextvars_tests::allocations::live - before, calls / 20);
}

struct alignas(64) WideThrowAt {
    ThrowAt value;
    explicit WideThrowAt(int number) : value(number) {}
};

} // namespace

TEST_F(MemoryTest, is_not_asked_for_where_none_is_needed) {
    cv::ContextVar<int> number{"number", 1};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    text.set("text");
    cv::Context context;
    EXPECT_EQ(allocations_of([] { const cv::Context empty; }), 0);
    EXPECT_EQ(allocations_of([&] {
                  static_cast<void>(number.try_get());
                  static_cast<void>(text.try_get());
                  static_cast<void>(number.get());
                  static_cast<void>(text.get());
              }),
              0);
    EXPECT_EQ(allocations_of([&] { context.run([] {}); }), 0);
    number.set(2);
    EXPECT_EQ(allocations_of([&] { number.set(3); }), 0) << "a map of one's own changes in place";
    EXPECT_EQ(allocations_of([&] { auto scope = number.scoped(4); }), 0);
}

TEST_F(MemoryTest, is_not_asked_for_by_a_thread_that_only_calls_what_is_bound_in_an_empty_context) {
    const auto bound = isolated([] { return cv::bind_context([] {}); });
    long allocated = -1;
    std::thread([&] { allocated = allocations_of([&] { bound(); }); }).join();
    EXPECT_EQ(allocated, 0);
}

TEST_F(MemoryTest, that_is_exhausted_does_not_stop_try_get_and_copies) {
    cv::ContextVar<int> number{"number", 1};
    std::thread([&] { // which has no free memory of the library to use again
        number.set(2);
        const int* seen = nullptr;
        cv::Context captured;
        {
            const FailingAllocation failing(1);
            captured = cv::copy_context();
            seen = number.try_get();
        }
        EXPECT_TRUE(FailingAllocation::happened()) << "the capture did without";
        ASSERT_NE(seen, nullptr);
        EXPECT_EQ(*seen, 2);
        number.set(3);
        EXPECT_EQ(captured[number], 2);
        std::vector<cv::Context> copies(3);
        for (cv::Context& copy : copies) {
            const FailingAllocation failing(1);
            copy = captured;
        }
        for (const cv::Context& copy : copies) {
            EXPECT_EQ(copy[number], 2);
        }
    })
        .join();
}

TEST_F(MemoryTest, is_given_back_by_contexts_tokens_and_bound_callables) {
    cv::ContextVar<std::string> text{"text"};
    cv::ContextVar<int> number{"number"};
    expect_no_growth([&](int i) {
        isolated([&] {
            auto token = text.set(std::string(100, 'x'));
            number.set(i);
            const cv::Context captured = cv::copy_context();
            text.set("other");
            text.reset(token);
            cv::bind_context([&] { number.set(-i); })();
            static_cast<void>(captured.items());
        });
    });
}

TEST_F(MemoryTest, is_given_back_by_large_maps_and_by_variables) {
    expect_no_growth([](int) {
        isolated([] {
            std::vector<std::unique_ptr<cv::ContextVar<int>>> variables;
            std::vector<cv::Context> captured;
            for (int i = 0; i < 90; ++i) {
                variables.push_back(std::make_unique<cv::ContextVar<int>>("one of many"));
                variables.back()->set(i);
                if (i % 30 == 0) {
                    captured.push_back(cv::copy_context());
                    variables[0]->set(-i);
                }
            }
            variables.resize(40);
            cv::ContextVar<std::string> next{"next"};
            next.set("bound where another one was");
        });
    });
}

TEST_F(MemoryTest, is_given_back_where_a_constructor_throws) {
    cv::ContextVar<ThrowAt> v{"v"};
    cv::ContextVar<WideThrowAt> wide{"wide"};
    expect_no_growth([&](int) {
        const FailingCopy failing(1);
        EXPECT_THROW(v.emplace(1), ThrowAt::Error);
    });
    expect_no_growth([&](int) {
        const FailingCopy failing(1);
        EXPECT_THROW(wide.emplace(1), ThrowAt::Error);
    });
    expect_no_growth([&](int) {
        const ThrowAt value(1);
        const FailingCopy failing(1);
        EXPECT_THROW(v.set(value), ThrowAt::Error);
    });
}

TEST_F(MemoryTest, is_given_back_where_there_is_not_enough_of_it) {
    cv::ContextVar<std::string> text{"text"};
    std::vector<std::unique_ptr<cv::ContextVar<int>>> variables;
    for (int i = 0; i < 90; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<int>>("one of many"));
        variables.back()->set(i);
    }
    expect_no_growth([&](int i) {
        cv::Context copy = cv::copy_context();
        try {
            const FailingAllocation failing(1 + i % 6);
            copy.run([&] {
                variables[80]->set(i);
                text.set(std::string(100, 'x'));
                variables[3]->set(i);
            });
        } catch (const std::bad_alloc&) {
            return;
        }
    });
}

// Those bound first have small ids, so that the trie must rise for the last one.
TEST_F(MemoryTest, is_given_back_where_a_trie_cannot_rise) {
    std::vector<std::unique_ptr<cv::ContextVar<int>>> variables;
    for (int i = 0; i < 2000; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<int>>("one of many"));
        variables.back()->set(i);
    }
    for (int order = 0; order < 2; ++order) { // ids were given upwards or downwards
        cv::Context first;
        first.run([&] {
            for (std::size_t i = 0; i < 100; ++i) {
                variables[i]->set(1);
            }
        });
        for (int n = 1; n < 10; ++n) {
            const long before = contextvars_tests::allocations::live;
            std::thread([&] { // which has kept no blocks
                cv::Context copy = first;
                const FailingAllocation failing(n);
                try {
                    copy.run([&] { variables.back()->set(1); });
                } catch (const std::bad_alloc&) {
                }
            })
                .join();
            EXPECT_EQ(contextvars_tests::allocations::live, before) << n;
        }
        std::ranges::reverse(variables);
    }
}

TEST_F(MemoryTest, of_a_context_with_eight_small_bindings_is_one_block_of_160_bytes) {
    static_assert(sizeof(cv::Context) == 16);
    std::vector<std::unique_ptr<cv::ContextVar<long>>> variables;
    for (int i = 0; i < 8; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<long>>("small"));
        variables.back()->set(i);
    }
    const cv::Context full = cv::copy_context();
    EXPECT_EQ(full.size(), 8U);
    // Many, so that those of the thread's free blocks do not count.
    std::vector<cv::Context> copies(1000);
    const long before = contextvars_tests::allocations::bytes;
    for (cv::Context& copy : copies) {
        copy = cv::copy_context();
    }
    EXPECT_LE(contextvars_tests::allocations::bytes - before, 1000 * 160);
    const long shared = contextvars_tests::allocations::bytes;
    for (cv::Context& copy : copies) {
        copy = full;
    }
    EXPECT_LE(contextvars_tests::allocations::bytes - shared, 1000 * 160);
}

#if !CONTEXTVARS_TESTS_SANITIZED // with a sanitizer, no block is used again
TEST_F(MemoryTest, of_contexts_that_another_thread_drops_is_used_again) {
    constexpr std::size_t contexts = 500;
    std::vector<std::unique_ptr<cv::ContextVar<long>>> variables;
    for (int i = 0; i < 8; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<long>>("small"));
        variables.back()->set(i);
    }
    std::vector<cv::Context> made(contexts);
    std::binary_semaphore full{0};
    std::binary_semaphore empty{0};
    constexpr int rounds = 10;
    std::thread drops([&] {
        for (int round = 0; round != rounds; ++round) {
            full.acquire();
            for (cv::Context& context : made)
                context = cv::Context();
            empty.release();
        }
    });
    long allocated = 0;
    for (int round = 0; round != rounds; ++round) {
        allocated = allocations_of([&] {
            for (cv::Context& context : made)
                context = cv::copy_context();
        });
        full.release();
        empty.acquire();
    }
    drops.join();
    EXPECT_EQ(allocated, 0) << "once warm";
}
#endif

TEST_F(MemoryTest, is_not_kept_by_copies_of_copies_that_share_their_values) {
    struct large {
        int numbers[16];
    };
    std::vector<std::unique_ptr<cv::ContextVar<large>>> variables;
    for (int i = 0; i < 10; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<large>>("large"));
        variables.back()->set(large{{i}});
    }
    expect_no_growth([&](int i) {
        const cv::Context copy = cv::copy_context();
        variables[static_cast<std::size_t>(i % 10)]->set(large{{i}});
    });
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(variables[static_cast<std::size_t>(i)]->get().numbers[0], 990 + i);
    }
}

TEST_F(MemoryTest, that_fails_leaves_maps_that_share_values_as_they_were) {
    struct large {
        int numbers[16];
    };
    std::vector<std::unique_ptr<cv::ContextVar<large>>> variables;
    for (int i = 0; i < 30; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<large>>("large"));
    }
    for (int i = 0; i < 9; ++i) {
        variables[static_cast<std::size_t>(i)]->set(large{{i}});
    }
    for (int n = 1; n < 40; ++n) {
        cv::Context copy = cv::copy_context();
        try {
            const FailingAllocation failing(n);
            copy.run([&] {
                for (const auto& variable : variables) {
                    variable->set(large{{n}});
                }
            });
        } catch (const std::bad_alloc&) {
        }
        for (std::size_t i = 0; i < variables.size(); ++i) {
            const large* in_copy = copy.get(*variables[i]);
            const large* here = variables[i]->try_get();
            EXPECT_EQ(here != nullptr, i < 9);
            EXPECT_TRUE(in_copy == nullptr ? i >= 9
                                           : in_copy->numbers[0] == n ||
                                                 in_copy->numbers[0] == static_cast<int>(i));
        }
    }
}

TEST_F(MemoryTest, is_given_back_when_a_thread_ends) {
    cv::ContextVar<std::string> text{"text"};
    expect_no_growth([&](int i) {
        if (i % 10 == 0) {
            cv::thread([&] {
                text.set(std::string(100, 'x'));
                isolated([&] { text.set("inner"); });
            }).join();
        }
    });
}

TEST_F(MemoryTest, is_given_back_when_a_thread_ends_that_has_called_what_is_bound) {
    std::vector<std::unique_ptr<cv::ContextVar<long>>> variables;
    for (int i = 0; i < 40; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<long>>("small"));
        variables.back()->set(i);
    }
    const auto bound = cv::bind_context([] {});
    expect_no_growth([&](int i) {
        if (i % 10 == 0) {
            std::thread([&] {
                for (int call = 0; call != 3; ++call) {
                    bound();
                }
            }).join();
        }
    });
}
