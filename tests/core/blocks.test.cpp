// SPDX-License-Identifier: MIT
//
// Free blocks, and how they get from the threads that free them to those that allocate.
#include "storage/blocks.hpp"

#include "support/environment.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

using namespace contextvars::detail;

namespace {

constexpr std::size_t small = block_class(160);

void* new_block(std::size_t block_class) {
    return contextvars::detail::need_memory(32 * (block_class + 1));
}

void put(block_cache& cache, void* block) {
    if (!cache.put(block, small)) {
        cache.make_room(small);
        ASSERT_TRUE(cache.put(block, small));
    }
}

/// Returns: as many new blocks as are in `chains`, which are put into the cache.
std::set<void*> put_new(block_cache& cache, std::uint32_t chains) {
    std::set<void*> blocks;
    while (blocks.size() != chains * blocks_in_a_chain(small))
        blocks.insert(new_block(small));
    for (void* block : blocks)
        put(cache, block);
    return blocks;
}

/// nullptr: neither the cache nor the exchange had one.
void* take(block_cache& cache) {
    void* taken = cache.take(small);
    if (taken == nullptr && cache.refill(small)) {
        taken = cache.take(small);
        EXPECT_NE(taken, nullptr);
    }
    return taken;
}

std::set<void*> take_all(block_cache& cache) {
    std::set<void*> taken;
    while (void* block = take(cache))
        EXPECT_TRUE(taken.insert(block).second);
    return taken;
}

} // namespace

TEST(BlocksTest, are_in_classes_that_hold_every_size) {
    for (std::size_t bytes = 1; bytes <= 32 * block_classes; ++bytes) {
        ASSERT_LT(block_class(bytes), block_classes);
        ASSERT_GE(32 * (block_class(bytes) + 1), bytes);
    }
    for (std::size_t c = 0; c != block_classes; ++c)
        EXPECT_GE(blocks_in_a_chain(c), 8U);
}

TEST(BlocksTest, that_a_thread_has_put_are_the_ones_it_takes) {
    const auto exchange = std::make_unique<block_exchange>();
    block_cache cache(*exchange);
    const std::set<void*> put_there = put_new(cache, 2);
    EXPECT_EQ(exchange->take(small), nullptr) << "two chains stay with the thread";
    const std::set<void*> taken = take_all(cache);
    EXPECT_EQ(taken, put_there);
    for (void* block : taken)
        contextvars::detail::give_memory(block);
}

TEST(BlocksTest, that_are_more_than_two_chains_are_passed_on_to_whoever_has_none) {
    const auto exchange = std::make_unique<block_exchange>();
    block_cache gives(*exchange);
    const std::set<void*> put_there = put_new(gives, 20);
    block_cache takes(*exchange);
    std::set<void*> taken = take_all(takes);
    EXPECT_EQ(taken.size(), 18 * blocks_in_a_chain(small));
    taken.merge(take_all(gives));
    EXPECT_EQ(taken, put_there);
    for (void* block : taken)
        contextvars::detail::give_memory(block);
}

TEST(BlocksTest, are_kept_up_to_a_bound) {
    const auto exchange = std::make_unique<block_exchange>();
    block_cache cache(*exchange);
    for (std::uint32_t i = 0; i != 50 * blocks_in_a_chain(small); ++i)
        put(cache, new_block(small)); // what finds no room is freed
    const std::set<void*> taken = take_all(cache);
    EXPECT_EQ(taken.size(), 34 * blocks_in_a_chain(small)) << "two chains, and 32 on their way";
    for (void* block : taken)
        contextvars::detail::give_memory(block);
}

TEST(BlocksTest, are_given_back_when_their_thread_ends) {
    const auto exchange = std::make_unique<block_exchange>();
    block_cache cache(*exchange);
    put_new(cache, 2);
    cache.clear(); // under the address sanitizer, nothing leaks
    EXPECT_EQ(take(cache), nullptr);
    put(cache, new_block(small));
    cache.clear();
}

TEST(BlocksTest, have_one_holder_however_many_threads_exchange_them) {
    constexpr int threads = 4;
    constexpr int rounds = CONTEXTVARS_TESTS_THREAD_SANITIZED ? 200 : 2000;
    const auto exchange = std::make_unique<block_exchange>();
    std::barrier start(threads);
    std::vector<std::thread> running;
    for (int thread = 0; thread != threads; ++thread)
        running.emplace_back([&, thread] {
            block_cache cache(*exchange);
            std::vector<int*> held;
            start.arrive_and_wait();
            for (int round = 0; round != rounds; ++round) {
                for (std::uint32_t i = 0; i != 3 * blocks_in_a_chain(small); ++i) {
                    void* const taken = take(cache);
                    held.push_back(::new (taken != nullptr ? taken : new_block(small)) int{thread});
                }
                for (int* block : held) {
                    ASSERT_EQ(*block, thread);
                    put(cache, block);
                }
                held.clear();
            }
            cache.clear();
        });
    for (std::thread& thread : running)
        thread.join();
    while (free_block* chain = exchange->take(small))
        while (chain != nullptr)
            contextvars::detail::give_memory(std::exchange(chain, chain->next));
}
