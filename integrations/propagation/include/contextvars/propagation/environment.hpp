// SPDX-License-Identifier: MIT
//
// Environment variables as carriers: TRACEPARENT, TRACESTATE and BAGGAGE. What a parent process set
// is untrusted, as a header is, and is never printed.
#ifndef CONTEXTVARS_PROPAGATION_ENVIRONMENT_HPP
#define CONTEXTVARS_PROPAGATION_ENVIRONMENT_HPP

#include <contextvars/config.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace contextvars::inline v0::propagation {

/// An environment to read, in the form of `environ`; by default the process's own. Use it at the
/// start of the program: `environ` may not be read while another thread calls setenv.
/// From: OpenTelemetry's "Environment Variables as Context Propagation Carriers".
class environment {
public:
    CONTEXTVARS_EXPORT environment() noexcept;
    /// Precondition: the array ends with a nullptr, and outlives the object.
    explicit environment(const char* const* variables) noexcept : variables_(variables) {}

    /// Returns: a range of one value, or none. Of a name that is set twice the first one counts, as
    /// for getenv. Names of other headers are found nowhere.
    CONTEXTVARS_EXPORT std::optional<std::string_view> find(std::string_view name) const noexcept;
    auto get_all(std::string_view name) const noexcept {
        struct range {
            std::optional<std::string_view> value;
            const std::string_view* begin() const noexcept { return value ? &*value : nullptr; }
            const std::string_view* end() const noexcept { return value ? &*value + 1 : nullptr; }
        };
        return range{find(name)};
    }

private:
    const char* const* variables_;
};

/// The environment of a process that is to be started. It begins as a copy of one, without the
/// three variables: those tell of the process's own start.
class child_environment {
public:
    /// Throws: std::bad_alloc.
    CONTEXTVARS_EXPORT child_environment();
    CONTEXTVARS_EXPORT explicit child_environment(const char* const* variables);

    auto get_all(std::string_view name) const {
        return environment(pointers_.data()).get_all(name);
    }
    /// Names of other headers than the three are not set.
    CONTEXTVARS_EXPORT void set(std::string_view name, std::string_view value);

    /// Returns: the array for execve and posix_spawn, good until the object changes.
    char* const* data() const noexcept { return pointers_.data(); }

private:
    void add(std::string variable);

    std::vector<std::vector<char>> variables_;
    std::vector<char*> pointers_;
};

} // namespace contextvars::inline v0::propagation

#endif
