// SPDX-License-Identifier: MIT
//
// Log lines of spdlog that show context variables. A pattern has two flags more:
//
//     %*    the variables of a context_fields
//     %V    the message as a JSON string, in quotes
//
// A synchronous logger formats on the calling thread, so a formatter is enough:
//
//     logger->set_formatter(contextvars::context_formatter(fields, "%T %t [%*] %v"));
//
// An asynchronous logger of spdlog formats on a thread of its own, in no caller's context.
// async_context_logger takes the values where the caller logs:
//
//     auto logger = std::make_shared<contextvars::async_context_logger>(
//         "app", sinks, fields, "%T %t [%*] %v", spdlog::thread_pool());
#ifndef CONTEXTVARS_SPDLOG_HPP
#define CONTEXTVARS_SPDLOG_HPP

#include <contextvars/spdlog/fields.hpp>

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>

#include <ctime>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace contextvars::inline v0 {

namespace detail {

inline void append_to_line(::spdlog::memory_buf_t& line, std::string_view text) {
    line.append(text.data(), text.data() + text.size());
}

/// A message of async_context_logger: the fields, a tab, the message. Fields have no tab: it is
/// escaped there.
struct carried_message {
    explicit carried_message(const ::spdlog::details::log_msg& message)
        : text(message.payload.data(), message.payload.size()) {
        const std::size_t tab = text.find('\t');
        fields = text.substr(0, tab);
        text.remove_prefix(tab == std::string_view::npos ? text.size() : tab + 1);
    }

    std::string_view text;
    std::string_view fields;
};

template <class Write>
class spdlog_flag final : public ::spdlog::custom_flag_formatter {
public:
    explicit spdlog_flag(Write write) : write_(std::move(write)) {}
    void format(const ::spdlog::details::log_msg& message, const std::tm&,
                ::spdlog::memory_buf_t& line) override {
        write_(message, line);
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<spdlog_flag>(write_);
    }

private:
    Write write_;
};

inline void append_message_as_json(::spdlog::memory_buf_t& line, std::string_view message) {
    std::string text;
    append_json_string(text, message);
    append_to_line(line, text);
}

/// The formatter of async_context_logger.
inline std::unique_ptr<::spdlog::formatter> carried_formatter(std::string pattern,
                                                              ::spdlog::pattern_time_type time) {
    using ::spdlog::memory_buf_t;
    using ::spdlog::details::log_msg;
    auto made = std::make_unique<::spdlog::pattern_formatter>(time);
    const auto add = [&]<class Write>(char flag, Write write) {
        made->add_flag<spdlog_flag<Write>>(flag, std::move(write));
    };
    add('*', [](const log_msg& message, memory_buf_t& line) {
        append_to_line(line, carried_message(message).fields);
    });
    add('v', [](const log_msg& message, memory_buf_t& line) {
        append_to_line(line, carried_message(message).text);
    });
    add('V', [](const log_msg& message, memory_buf_t& line) {
        append_message_as_json(line, carried_message(message).text);
    });
    made->set_pattern(std::move(pattern));
    return made;
}

} // namespace detail

/// Returns: a pattern_formatter with the flags %* and %V. It prints the values of the context that
/// is current on the thread that formats, so it is for synchronous loggers.
inline std::unique_ptr<::spdlog::formatter>
context_formatter(context_fields fields, std::string pattern,
                  ::spdlog::pattern_time_type time = ::spdlog::pattern_time_type::local) {
    using ::spdlog::memory_buf_t;
    using ::spdlog::details::log_msg;
    auto made = std::make_unique<::spdlog::pattern_formatter>(time);
    const auto add = [&]<class Write>(char flag, Write write) {
        made->add_flag<detail::spdlog_flag<Write>>(flag, std::move(write));
    };
    add('*', [fields = std::move(fields)](const log_msg&, memory_buf_t& line) {
        std::string text;
        fields.append_to(text);
        detail::append_to_line(line, text);
    });
    add('V', [](const log_msg& message, memory_buf_t& line) {
        detail::append_message_as_json(line, {message.payload.data(), message.payload.size()});
    });
    made->set_pattern(std::move(pattern));
    return made;
}

/// A logger whose sinks run on a thread pool of spdlog, and whose lines show the values that the
/// caller had when it logged. The values are printed on the calling thread, in its context, without
/// a lock. It sets the formatter of its sinks. If a sink is given another one, a line shows the
/// values, a tab and the message in the place of the message.
/// Messages that enable_backtrace() keeps are printed with the values of the dump.
/// Threads: as spdlog::logger, if the sinks are.
class async_context_logger final : public ::spdlog::logger {
public:
    /// Throws: as spdlog::async_logger, and std::bad_alloc.
    async_context_logger(
        const std::string& name, std::vector<::spdlog::sink_ptr> sinks, context_fields fields,
        std::string pattern, std::weak_ptr<::spdlog::details::thread_pool> pool,
        ::spdlog::async_overflow_policy overflow = ::spdlog::async_overflow_policy::block,
        ::spdlog::pattern_time_type time = ::spdlog::pattern_time_type::local)
        : logger(name, sinks.begin(), sinks.end()), fields_(std::move(fields)), pool_(pool),
          overflow_(overflow), posts_(make_posting()) {
        set_formatter(detail::carried_formatter(std::move(pattern), time));
    }

    /// Returns: a logger of another name, with the same sinks, fields and level.
    std::shared_ptr<logger> clone(std::string name) override {
        auto cloned = std::make_shared<async_context_logger>(*this);
        cloned->name_ = std::move(name);
        cloned->posts_ = cloned->make_posting();
        return cloned;
    }

protected:
    void sink_it_(const ::spdlog::details::log_msg& message) override {
        try {
            std::string carried;
            fields_.append_to(carried);
            carried += '\t';
            carried.append(message.payload.data(), message.payload.size());
            posts_->log(message.time, message.source, message.level, carried);
        } catch (const std::exception& error) { // no logger throws
            err_handler_(error.what());
        }
        if (should_flush_(message))
            flush_();
    }
    void flush_() override { posts_->flush(); }

private:
    std::shared_ptr<logger> make_posting() const {
        auto made = std::make_shared<::spdlog::async_logger>(name_, sinks_.begin(), sinks_.end(),
                                                             pool_, overflow_);
        made->set_level(::spdlog::level::trace); // this logger decides
        return made;
    }

    context_fields fields_;
    std::weak_ptr<::spdlog::details::thread_pool> pool_;
    ::spdlog::async_overflow_policy overflow_;
    std::shared_ptr<logger> posts_; ///< gives each message to the pool
};

} // namespace contextvars::inline v0

#endif
