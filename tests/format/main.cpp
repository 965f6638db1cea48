// SPDX-License-Identifier: MIT
//
// std::format of variables, tokens and contexts. It is built with a standard library that has
// <format>, which that of g++ 12 has not, and with the single header.
#include <contextvars.hpp>

#include <format>
#include <iostream>
#include <sstream>
#include <string>

namespace {

contextvars::ContextVar<std::string> user{"user", "nobody"};
contextvars::ContextVar<std::string> password{"password", contextvars::attributes{.secret = true}};

int failures = 0;
void expect(bool holds, const char* what) {
    if (holds)
        return;
    std::cout << "not so: " << what << '\n';
    ++failures;
}

template <class T>
std::string streamed(const T& object) {
    std::ostringstream out;
    out << object;
    return std::move(out).str();
}

} // namespace

int main() {
    const auto scope = password.scoped("1234");
    const auto token = user.set("ann");
    const contextvars::Context context = contextvars::copy_context();
    expect(std::format("{}", user) == streamed(user), "a variable prints as on a stream");
    expect(std::format("{}", token) == streamed(token), "a token prints as on a stream");
    expect(std::format("{}", context) == streamed(context), "a context prints as on a stream");
    expect(std::format("{}", context).find("1234") == std::string::npos, "secrets are hidden");
    for (const auto& [variable, value] : context)
        expect(std::format("{}={}", variable, value) == streamed(variable) + "=" + streamed(value),
               "a binding prints as on a stream");
    const std::string text = streamed(user);
    expect(std::format("{:*>{}}", user, text.size() + 2) == "**" + text,
           "the specifications are those of a string");
    return failures;
}
