// SPDX-License-Identifier: MIT
//
// install_storage() itself. Each test does it in a process of its own: a storage cannot be taken out.
#include <contextvars/opentelemetry.hpp>

#include "support/environment.hpp"

#include <opentelemetry/context/runtime_context.h>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace contextvars_tests;
namespace api = opentelemetry::context;

namespace {

using Token = opentelemetry::nostd::unique_ptr<api::Token>;

api::Context context_of(int number) { return api::Context("number", static_cast<int64_t>(number)); }

int number_of(const api::Context& context) {
    const api::ContextValue value = context.GetValue("number");
    const auto* number = opentelemetry::nostd::get_if<int64_t>(&value);
    return number != nullptr ? static_cast<int>(*number) : 0;
}
int current_number() { return number_of(api::RuntimeContext::GetCurrent()); }

void install() { contextvars::opentelemetry::install_storage(); }

/// In the child process: says what is wrong, and ends.
void require(bool right, const char* what) {
    if (!right) {
        std::cerr << "wrong: " << what << '\n';
        std::_Exit(1);
    }
}

class OtherStorage final : public api::RuntimeContextStorage {
public:
    api::Context GetCurrent() noexcept override { return {}; }
    Token Attach(const api::Context& context) noexcept override { return CreateToken(context); }
    bool Detach(api::Token&) noexcept override { return false; }
};

template <class F>
[[noreturn]] void print_error_of(F f) {
    try {
        f();
    } catch (const contextvars::RuntimeError& error) {
        std::cerr << error.what() << '\n';
        std::exit(0);
    }
    std::cerr << "no RuntimeError\n";
    std::exit(1);
}

/// Looks at what is current when it is destroyed, and ends its attachment then.
struct AtTheEnd {
    AtTheEnd() = default;
    AtTheEnd(const AtTheEnd&) = delete;
    AtTheEnd& operator=(const AtTheEnd&) = delete;
    ~AtTheEnd() {
        if (!token)
            return;
        require((*token).get() != nullptr, "a token");
        require(current_number() == 7, "what static storage holds is attached at the end");
        require(api::RuntimeContext::Detach(**token), "it is detached after main");
        token.reset();
        require(current_number() == 0, "nothing is attached after that");
        {
            const Token other = api::RuntimeContext::Attach(context_of(8));
        }
        std::cerr << "ended\n";
    }
    std::optional<Token> token;
};
AtTheEnd ends_after_opentelemetry; // made before OpenTelemetry's own statics

} // namespace

TEST(OpenTelemetryInstall, for_the_second_time_is_refused_and_changes_nothing) {
    EXPECT_EXIT(print_error_of([] {
                    install();
                    const Token token = api::RuntimeContext::Attach(context_of(1));
                    try {
                        install();
                    } catch (...) {
                        require(current_number() == 1, "the storage is the same");
                        throw;
                    }
                }),
                ::testing::ExitedWithCode(0), "installed already; call install_storage\\(\\) once");
}

TEST(OpenTelemetryInstall, when_a_context_is_attached_already_is_refused) {
    EXPECT_EXIT(print_error_of([] {
                    const Token token = api::RuntimeContext::Attach(context_of(1));
                    install();
                }),
                ::testing::ExitedWithCode(0), "attached already.*at the start of main");
}

TEST(OpenTelemetryInstall, beside_another_library_s_storage_is_refused) {
    EXPECT_EXIT(
        print_error_of([] {
            api::RuntimeContext::SetRuntimeContextStorage(
                opentelemetry::nostd::shared_ptr<api::RuntimeContextStorage>(new OtherStorage));
            install();
        }),
        ::testing::ExitedWithCode(0), "another one .*OtherStorage.*remove one of the two");
}

TEST(OpenTelemetryInstall, leaves_a_token_of_the_storage_before_without_effect) {
    EXPECT_EXIT(
        {
            std::latch attached(1);
            std::latch installed(1);
            std::thread early([&] { // nobody can know of it
                const Token token = api::RuntimeContext::Attach(context_of(1));
                attached.count_down();
                installed.wait();
                require(current_number() == 0, "what was attached before is not there");
                require(!api::RuntimeContext::Detach(*token), "it cannot be detached");
            });
            attached.wait();
            install();
            const Token own = api::RuntimeContext::Attach(context_of(2));
            installed.count_down();
            early.join();
            require(current_number() == 2, "it detached nothing of somebody else");
            std::cerr << "ended\n";
            std::exit(0);
        },
        ::testing::ExitedWithCode(0), "ended");
}

TEST(OpenTelemetryInstall, lasts_until_after_main) {
    EXPECT_EXIT(
        {
            install();
            static AtTheEnd end;
            end.token.emplace(api::RuntimeContext::Attach(context_of(7)));
            std::exit(0);
        },
        ::testing::ExitedWithCode(0), "ended");
}

TEST(OpenTelemetryInstall, lasts_until_after_the_end_of_opentelemetry_s_own_statics) {
    if (sanitized)
        GTEST_SKIP() << "OpenTelemetry itself uses a static object of its own after its end";
    EXPECT_EXIT(
        {
            install();
            ends_after_opentelemetry.token.emplace(api::RuntimeContext::Attach(context_of(7)));
            std::exit(0);
        },
        ::testing::ExitedWithCode(0), "ended");
}

TEST(OpenTelemetryInstall, serves_threads_that_end_late) {
    EXPECT_EXIT(
        {
            install();
            std::thread([] {
                // Made before the storage has anything of this thread, so destroyed after it.
                static thread_local AtTheEnd end;
                end.token.emplace(api::RuntimeContext::Attach(context_of(7)));
            }).join();
            std::exit(0);
        },
        ::testing::ExitedWithCode(0), "ended");
}

TEST(OpenTelemetryInstall, serves_a_forked_child_while_other_threads_attach) {
    if (sanitized)
        GTEST_SKIP() << "a sanitizer's allocator may be locked for ever in the child";
    EXPECT_EXIT(
        {
            install();
            std::atomic<bool> over = false;
            std::latch busy(3);
            std::vector<std::thread> threads;
            for (int i = 0; i != 3; ++i)
                threads.emplace_back([&] {
                    busy.count_down();
                    while (!over)
                        const Token token = api::RuntimeContext::Attach(context_of(1));
                });
            busy.wait();
            const Token token = api::RuntimeContext::Attach(context_of(5));
            for (int i = 0; i != 200; ++i) {
                const pid_t child = fork();
                if (child == 0) {
                    std::vector<Token> tokens; // so many that they need every lock
                    for (int n = 0; n != 500; ++n)
                        tokens.push_back(api::RuntimeContext::Attach(context_of(6)));
                    require(current_number() == 6, "the child attaches");
                    while (!tokens.empty())
                        tokens.pop_back();
                    require(current_number() == 5, "the child has what was attached");
                    std::_Exit(0);
                }
                int status = 0;
                require(waitpid(child, &status, 0) == child && status == 0, "the child ends well");
            }
            over = true;
            for (std::thread& thread : threads)
                thread.join();
            std::cerr << "ended\n";
            std::exit(0);
        },
        ::testing::ExitedWithCode(0), "ended");
}
