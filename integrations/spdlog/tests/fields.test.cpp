// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>
#include <contextvars/spdlog/fields.hpp>

#include <gtest/gtest.h>

#include "support/isolated.hpp"

#include <cmath>
#include <limits>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using contextvars::attributes;
using contextvars::context_fields;
using contextvars::ContextVar;
using contextvars::field_style;

ContextVar<std::string> user{"user"};
ContextVar<int> depth{"depth", 3};
ContextVar<std::string> password{"password", "hunter2", attributes{.secret = true}};

struct sets {
    friend std::ostream& operator<<(std::ostream& out, const sets&) {
        user.set("set by <<");
        depth.set(99);
        return out << "sets " << user.get();
    }
};
struct throws {
    friend std::ostream& operator<<(std::ostream&, const throws&) {
        throw std::runtime_error("no text");
    }
};
ContextVar<sets> setting{"setting"};
ContextVar<throws> throwing{"throwing"};

std::string text_of(const context_fields& fields) {
    std::string text;
    fields.append_to(text);
    return text;
}
std::string key_value(std::string_view value) {
    const auto scope = user.scoped(std::string(value));
    return text_of(context_fields(user));
}
std::string json(std::string_view value) {
    const auto scope = user.scoped(std::string(value));
    return text_of(context_fields(field_style::json, user));
}

class Fields : public contextvars_tests::Isolated {};

TEST_F(Fields, show_the_variables_of_the_list_in_its_order) {
    const context_fields fields(depth, user);
    EXPECT_EQ(text_of(fields), "depth=3"); // its default; user is missing
    const auto scope = contextvars::scoped(user.to("ann"), depth.to(7));
    EXPECT_EQ(text_of(fields), "depth=7 user=ann");
}

TEST_F(Fields, of_json_are_an_object) {
    const context_fields fields(field_style::json, user, depth);
    EXPECT_EQ(text_of(fields), R"({"depth":3})");
    const auto scope = user.scoped("ann");
    EXPECT_EQ(text_of(fields), R"({"user":"ann","depth":3})");
    EXPECT_EQ(text_of(context_fields(field_style::json)), "{}");
    EXPECT_EQ(text_of(context_fields(field_style::key_value)), "");
}

TEST_F(Fields, never_show_a_secret_variable) {
    const auto scope = contextvars::scoped(user.to("ann"), password.to("1234"));
    EXPECT_EQ(text_of(context_fields(password, user)), "user=ann");
    EXPECT_EQ(text_of(context_fields(field_style::json, user, password)), R"({"user":"ann"})");
    EXPECT_TRUE(password.is_secret());
    EXPECT_FALSE(user.is_secret());
}

// A value comes from outside: it makes no line and no field of its own.
TEST_F(Fields, values_stay_in_their_field) {
    EXPECT_EQ(key_value("a b"), R"(user="a b")");
    EXPECT_EQ(key_value(""), R"(user="")");
    EXPECT_EQ(key_value("ann admin=true"), R"(user="ann admin=true")");
    EXPECT_EQ(key_value("a\nERROR b\r\t"), R"(user="a\nERROR b\r\t")");
    EXPECT_EQ(key_value(R"("\)"), R"(user="\"\\")");
    EXPECT_EQ(json("a\"},\"user\":\"b"), R"({"user":"a\"},\"user\":\"b"})");
    EXPECT_EQ(json(std::string_view("\0\x1b\x7f", 3)), R"({"user":"\u0000\u001b\u007f"})");
}

TEST_F(Fields, are_valid_utf_8) {
    const std::string replacement = "\xEF\xBF\xBD";
    for (const char* good : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBF"})
        EXPECT_EQ(json(good), "{\"user\":\"" + std::string(good) + "\"}");
    for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80",
                            "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5", "\xE2\x82", "\xC3"}) {
        const std::string text = json(bad);
        EXPECT_NE(text.find(replacement), std::string::npos) << text;
        EXPECT_EQ(text.size(), std::string(R"({"user":""})").size() +
                                   replacement.size() * std::string_view(bad).size())
            << text;
    }
    EXPECT_EQ(json("\xE2\x82z"), "{\"user\":\"" + replacement + replacement + "z\"}");
}

TEST_F(Fields, show_numbers_as_json_has_them) {
    ContextVar<double> ratio{"ratio", 0.5};
    ContextVar<bool> on{"on", true};
    ContextVar<char> letter{"letter", '"'};
    ContextVar<long long> large{"large", std::numeric_limits<long long>::min()};
    const context_fields fields(field_style::json, ratio, on, letter, large);
    EXPECT_EQ(text_of(fields),
              R"({"ratio":0.5,"on":true,"letter":"\"","large":-9223372036854775808})");
    const auto scope = ratio.scoped(std::numeric_limits<double>::infinity());
    EXPECT_EQ(text_of(context_fields(field_style::json, ratio)), R"({"ratio":"inf"})");
}

TEST_F(Fields, show_pointers_as_the_library_does) {
    ContextVar<const char*> text{"text", "a\nb"};
    EXPECT_EQ(text_of(context_fields(text)), R"(text="a\nb")");
    const auto scope = text.scoped(nullptr);
    EXPECT_EQ(text_of(context_fields(text)), "text=nullptr");
}

TEST_F(Fields, names_are_escaped) {
    ContextVar<int> odd{"a b\"=", 1};
    EXPECT_EQ(text_of(context_fields(odd)), R"("a b\"="=1)");
    EXPECT_EQ(text_of(context_fields(field_style::json, odd)), R"({"a b\"=":1})");
}

// A formatter that changes the context: what it sets ends with the value.
TEST_F(Fields, a_printing_operator_that_sets_variables_changes_nothing) {
    const auto scope = contextvars::scoped(user.to("ann"), setting.to(sets{}));
    EXPECT_EQ(text_of(context_fields(user, setting, user, depth)),
              R"(user=ann setting="sets set by <<" user=ann depth=3)");
    EXPECT_EQ(user.get(), "ann");
    EXPECT_EQ(contextvars::copy_context().size(), 2U);
}

TEST_F(Fields, a_printing_operator_that_throws_costs_its_value_alone) {
    const auto scope = contextvars::scoped(user.to("ann"), throwing.to(throws{}));
    EXPECT_EQ(text_of(context_fields(throwing, user)), R"(throwing=? user=ann)");
}

} // namespace
