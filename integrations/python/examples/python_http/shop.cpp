// SPDX-License-Identifier: MIT
//
// The C++ side of server.py: a module whose log lines carry the id of the request that Python is
// handling, without being told it.
#include <contextvars/python/pybind11.hpp>

#include <pybind11/pybind11.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace py = pybind11;

// [variable]
contextvars::ContextVar<std::string> request_id{"request_id", "-"};
// [/variable]

// [log]
/// `%*` in a log pattern: the request that the calling thread is handling at the moment.
class request_flag : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg&, const std::tm&,
                spdlog::memory_buf_t& line) override {
        const std::string& id = request_id.get();
        line.append(id.data(), id.data() + id.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<request_flag>();
    }
};
// [/log]

int price_of(const std::string& item) {
    spdlog::info("price of {}", item);
    if (item.empty())
        throw std::invalid_argument("nothing has no price");
    return static_cast<int>(10 * item.size());
}

/// Takes its time, on a thread of asyncio's, without the GIL.
int tax_of(int price) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    spdlog::info("tax of {}", price);
    return price / 5;
}

/// Calls Python back: what that calls in C++ logs the same id.
void for_each_item(int count, const py::function& function) {
    for (int i = 0; i != count; ++i) {
        const contextvars::python::python_scope scope;
        function(i);
    }
    spdlog::info("went over {} items", count);
}

// [module]
PYBIND11_MODULE(shop, module) {
    using in_context = py::call_guard<contextvars::python::call_scope>;
    using in_context_without_gil =
        py::call_guard<contextvars::python::call_scope, py::gil_scoped_release>;

    contextvars::python::translate_errors();
    contextvars::python::expose(module, "request_id", request_id);
    module.def("price_of", &price_of, in_context());
    module.def("tax_of", &tax_of, in_context_without_gil());
    module.def("for_each_item", &for_each_item, in_context());
    // [/module]

    auto logger = spdlog::stdout_logger_mt("shop");
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<request_flag>('*').set_pattern("%H:%M:%S.%e %t [%*] %v");
    logger->set_formatter(std::move(formatter));
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}
