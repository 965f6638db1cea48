// SPDX-License-Identifier: MIT
//
// Two requests log through one asynchronous logger: each line has the values of its own request, as
// key=value for people and as JSON for machines. The password is in no line.
#include <contextvars/contextvars.hpp>
#include <contextvars/spdlog.hpp>

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

using contextvars::attributes;
using contextvars::field_style;

contextvars::ContextVar<std::string> request_id{"request_id"};
contextvars::ContextVar<std::string> user{"user", "nobody"};
contextvars::ContextVar<std::string> password{"password", attributes{.secret = true}};

void handle(const char* id, const char* name) {
    const auto scope = contextvars::scoped(request_id.to(id), user.to(name), password.to("1234"));
    spdlog::info("handling \"{}\"", id);
}

void use(const contextvars::context_fields& fields, const char* pattern) {
    auto sink = std::make_shared<spdlog::sinks::stdout_sink_mt>();
    spdlog::set_default_logger(std::make_shared<contextvars::async_context_logger>(
        "app", std::vector<spdlog::sink_ptr>{sink}, fields, pattern, spdlog::thread_pool()));
}

int main() {
    spdlog::init_thread_pool(1024, 1);
    use(contextvars::context_fields(request_id, user, password), "%l [%*] %v");
    handle("7f3a", "ann");
    handle("7f3b", "bob the builder");
    spdlog::info("waiting");

    use(contextvars::context_fields(field_style::json, request_id, user, password),
        R"({"level":"%l","context":%*,"message":%V})");
    handle("7f3c", "O\"Neil");
    spdlog::shutdown(); // writes the lines that are left
}
