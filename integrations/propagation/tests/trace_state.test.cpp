// SPDX-License-Identifier: MIT
#include <contextvars/propagation/trace_state.hpp>

#include <contextvars/errors.hpp>

#include <gtest/gtest.h>

#include <string>

using namespace contextvars::propagation;

namespace {

std::string many(int members) {
    std::string text;
    for (int i = 0; i != members; ++i)
        text += (i == 0 ? "" : ",") + ("k" + std::to_string(i)) + "=v";
    return text;
}

struct vector {
    const char* source;
    std::string text;
    fault reason;
    std::string written; ///< empty: as `text`
};

const std::string z256(256, 'z');
const std::string t241(241, 't');

const vector vectors[] = {
    {"W3C example", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", fault::none, ""},
    {"W3C test_tracestate_included_traceparent_included", "foo=1,bar=2", fault::none, ""},
    {"W3C test_tracestate_all_allowed_characters",
     "abcdefghijklmnopqrstuvwxyz0123456789_-*/@=!\"#$%&'()*+-./0123456789:;<>?@"
     "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~ x",
     fault::none, ""},
    {"W3C test_tracestate_empty_header", "", fault::none, ""},
    {"W3C test_tracestate_ows_handling", "foo=1 \t , \t bar=2, \t baz=3 ", fault::none,
     "foo=1,bar=2,baz=3"},
    {"W3C test_tracestate_ows_handling", " foo=1\t", fault::none, "foo=1"},
    {"W3C: empty members", ",foo=1,, ,bar=2,", fault::none, "foo=1,bar=2"},
    {"W3C: a value's leading spaces stay", "foo=  1", fault::none, ""},
    {"W3C test_tracestate_key_illegal_characters", "foo =1", fault::malformed, ""},
    {"W3C test_tracestate_key_illegal_characters", "FOO=1", fault::malformed, ""},
    {"W3C test_tracestate_key_illegal_characters", "foo.bar=1", fault::malformed, ""},
    {"W3C test_tracestate_key_length_limit", z256 + "=1", fault::none, ""},
    {"W3C test_tracestate_key_length_limit", z256 + "z=1", fault::malformed, ""},
    {"W3C level 2: no split at @", t241 + "t@v=1", fault::none, ""},
    {"W3C level 2: no split at @", "foo@bar@baz=1", fault::none, ""},
    {"W3C level 2, lost by JavaScript", "1x=1,foo@@bar=2", fault::none, ""},
    {"W3C test_tracestate_key_illegal_vendor_format", "@foo=1", fault::malformed, ""},
    {"W3C level 2: begins with one of a-z0-9", "_x=1", fault::malformed, ""},
    {"W3C test_tracestate_member_count_limit", many(32), fault::none, ""},
    {"W3C test_tracestate_member_count_limit", many(33), fault::too_many, ""},
    {"W3C test_tracestate_value_illegal_characters", "foo=bar=baz", fault::malformed, ""},
    {"W3C test_tracestate_value_illegal_characters", "foo=,bar=3", fault::malformed, ""},
    {"W3C: a value is not blank", "foo= ", fault::malformed, ""},
    {"W3C: 256 characters of a value", "a=" + z256, fault::none, ""},
    {"W3C: 257 characters of a value", "a=" + z256 + "z", fault::malformed, ""},
    {"W3C test_tracestate_duplicated_keys", "foo=1,foo=1", fault::none, "foo=1"},
    {"W3C test_tracestate_duplicated_keys", "foo=1,foo=2,bar=3", fault::none, "foo=1,bar=3"},
    {"Go TestParseTraceState, no value", "foo", fault::malformed, ""},
    {"Go TestParseTraceState, no key", "=1", fault::malformed, ""},
    {"Go TestParseTraceState, one bad member", "foo=1,FOO=2,bar=3", fault::malformed, ""},
    {"JS TraceState, a control character", "a=\x01", fault::malformed, ""},
    {"a tab in a value", "a=b\tc", fault::malformed, ""},
    {"a byte that is not ASCII", "a=\xc3\xa9", fault::malformed, ""},
    {"NUL", std::string("a=b\0c", 5), fault::malformed, ""},
};

TEST(TraceState, is_read_and_written_as_the_vectors_of_the_standard_and_of_the_peers_say) {
    for (const vector& v : vectors) {
        const auto read = trace_state::parse(v.text);
        EXPECT_EQ(read.reason(), v.reason) << v.source << ": " << v.text;
        if (read) {
            EXPECT_EQ(read->to_text(), v.written.empty() ? v.text : v.written) << v.source;
        }
    }
}

TEST(TraceState, of_several_lines_is_joined_in_order) {
    trace_state::reader lines;
    for (const char* line : {"foo=1", "", " ,bar=2", "foo=3,baz=4"})
        EXPECT_EQ(lines.add(line), fault::none);
    EXPECT_EQ(lines.repeated(), 1u);
    EXPECT_EQ(lines.take()->to_text(), "foo=1,bar=2,baz=4");
    EXPECT_TRUE(lines.take()->empty());
}

TEST(TraceState, is_all_dropped_if_one_line_is_illegal_or_all_are_too_many) {
    trace_state::reader lines;
    lines.add("foo=1");
    EXPECT_EQ(lines.add("BAR=1"), fault::malformed);
    EXPECT_EQ(lines.add("baz=1"), fault::malformed);
    EXPECT_EQ(lines.take().reason(), fault::malformed);

    lines.add(many(32));
    EXPECT_EQ(lines.add("one_more=1"), fault::too_many);
    EXPECT_EQ(lines.take().reason(), fault::too_many);
}

TEST(TraceState, longer_than_the_limit_over_all_lines_is_not_read) {
    const std::string blank(trace_state::most_read, ' ');
    EXPECT_TRUE(trace_state::parse(blank));
    EXPECT_EQ(trace_state::parse(blank + ' ').reason(), fault::too_long);
    trace_state::reader lines;
    fault reason = fault::none;
    for (std::size_t i = 0; i <= trace_state::most_read / 4 && reason == fault::none; ++i)
        reason = lines.add("   ");
    EXPECT_EQ(reason, fault::too_long);
}

TEST(TraceState, gives_values_by_key) {
    const trace_state state = *trace_state::parse("foo=1,foobar=2,bar= 3");
    EXPECT_EQ(state.size(), 3u);
    EXPECT_EQ(state.get("foo"), "1");
    EXPECT_EQ(state.get("foobar"), "2");
    EXPECT_EQ(state.get("bar"), " 3");
    EXPECT_FALSE(state.get("fo"));
    EXPECT_FALSE(state.get(""));
    EXPECT_FALSE(state.get("1"));
    EXPECT_EQ(trace_state().size(), 0u);
}

TEST(TraceState, that_is_changed_has_the_changed_member_in_front) {
    trace_state state = *trace_state::parse("foo=1,bar=2,baz=3");
    state.set("bar", "new");
    EXPECT_EQ(state.to_text(), "bar=new,foo=1,baz=3");
    state.set("own", "1");
    EXPECT_EQ(state.to_text(), "own=1,bar=new,foo=1,baz=3");
    state.set("own", *state.get("baz")); // a view of itself
    EXPECT_EQ(state.to_text(), "own=3,bar=new,foo=1,baz=3");
}

TEST(TraceState, of_32_loses_the_last_member_to_a_new_one) {
    trace_state state = *trace_state::parse(many(32));
    state.set("own", "1");
    EXPECT_EQ(state.size(), 32u);
    EXPECT_EQ(state.to_text(), "own=1," + many(31));
    state = *trace_state::parse(many(32));
    state.set("k31", "w");
    EXPECT_EQ(state.to_text(), "k31=w," + many(31));
}

TEST(TraceState, removes_a_member_wherever_it_is) {
    for (const auto& [key, rest] :
         {std::pair{"foo", "bar=2,baz=3"}, std::pair{"bar", "foo=1,baz=3"},
          std::pair{"baz", "foo=1,bar=2"}}) {
        trace_state state = *trace_state::parse("foo=1,bar=2,baz=3");
        EXPECT_TRUE(state.remove(key));
        EXPECT_FALSE(state.remove(key));
        EXPECT_EQ(state.to_text(), rest);
    }
    trace_state one = *trace_state::parse("foo=1");
    EXPECT_TRUE(one.remove("foo"));
    EXPECT_TRUE(one.empty());
}

TEST(TraceState, refuses_what_a_program_may_not_set_and_stays_as_it_was) {
    trace_state state = *trace_state::parse("foo=1");
    for (const std::string& key :
         {std::string(""), std::string("A"), std::string("_a"), z256 + "z"})
        EXPECT_THROW(state.set(key, "1"), contextvars::ValueError) << key;
    for (const std::string& value :
         {std::string(""), std::string("a,b"), std::string("a=b"), std::string("a "), z256 + "z"})
        EXPECT_THROW(state.set("foo", value), contextvars::ValueError) << value;
    EXPECT_EQ(state.to_text(), "foo=1");
}

TEST(TraceState, is_shortened_by_whole_members_long_ones_first_and_then_from_the_end) {
    const std::string long_one = "long=" + std::string(130, 'x');
    const std::string longer = "longer=" + std::string(200, 'x');
    trace_state state = *trace_state::parse("a=1," + long_one + ",b=2," + longer + ",c=3");
    trace_state all = state;
    EXPECT_EQ(all.shorten(1000), 0u);
    EXPECT_EQ(all, state);

    EXPECT_EQ(state.shorten(150), 1u);
    EXPECT_EQ(state.to_text(), "a=1," + long_one + ",b=2,c=3");
    EXPECT_EQ(state.shorten(11), 1u);
    EXPECT_EQ(state.to_text(), "a=1,b=2,c=3");
    EXPECT_EQ(state.shorten(10), 1u);
    EXPECT_EQ(state.to_text(), "a=1,b=2");
    EXPECT_EQ(state.shorten(2), 2u);
    EXPECT_TRUE(state.empty());
    EXPECT_EQ(state.shorten(0), 0u);
}

} // namespace
