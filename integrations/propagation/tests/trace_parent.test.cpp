// SPDX-License-Identifier: MIT
#include <contextvars/propagation/trace_parent.hpp>

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

using namespace contextvars::propagation;

namespace {

std::string text_of(const trace_parent& parent) {
    const auto text = parent.to_text();
    return {text.data(), text.size()};
}

std::string b3_of(const trace_parent& parent) {
    const auto text = to_b3(parent);
    return {text.data(), text.size()};
}

constexpr std::string_view good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A vector, and where it is from: W3C's suite (tracecontext/test), or the test files of the SDKs.
struct vector {
    const char* source;
    std::string text;
    fault reason;
    std::string written; ///< empty: as `text`
};

const std::string ids = "12345678901234567890123456789012-1234567890123456";

const vector vectors[] = {
    {"W3C level 2, example", std::string(good), fault::none, ""},
    {"W3C level 2, not sampled", "00-" + ids + "-00", fault::none, ""},
    {"W3C level 2, random", "00-" + ids + "-03", fault::none, ""},
    {"W3C test_traceparent_trace_flags_illegal_characters", "00-" + ids + "-.0", fault::malformed,
     ""},
    {"W3C test_traceparent_trace_flags_illegal_characters", "00-" + ids + "-0.", fault::malformed,
     ""},
    {"W3C test_traceparent_trace_flags_too_long", "00-" + ids + "-001", fault::malformed, ""},
    {"W3C test_traceparent_trace_flags_too_short", "00-" + ids + "-1", fault::malformed, ""},
    {"W3C test_traceparent_version_0x00", "00-" + ids + "-01.", fault::malformed, ""},
    {"W3C test_traceparent_version_0x00", "00-" + ids + "-01-what-the-future-will-be-like",
     fault::malformed, ""},
    {"W3C test_traceparent_version_0xcc", "cc-" + ids + "-01", fault::none, "00-" + ids + "-01"},
    {"W3C test_traceparent_version_0xcc", "cc-" + ids + "-01-what-the-future-will-be-like",
     fault::none, "00-" + ids + "-01"},
    {"W3C test_traceparent_version_0xcc", "cc-" + ids + "-01.what-the-future-will-be-like",
     fault::malformed, ""},
    {"W3C test_traceparent_version_0xff", "ff-" + ids + "-01", fault::bad_version, ""},
    {"W3C test_traceparent_version_illegal_characters", ".0-" + ids + "-01", fault::malformed, ""},
    {"W3C test_traceparent_version_illegal_characters", "0.-" + ids + "-01", fault::malformed, ""},
    {"W3C test_traceparent_version_too_long", "000-" + ids + "-01", fault::malformed, ""},
    {"W3C test_traceparent_version_too_short", "0-" + ids + "-01", fault::malformed, ""},
    {"W3C test_traceparent_trace_id_all_zero",
     "00-00000000000000000000000000000000-1234567890123456-01", fault::zero_id, ""},
    {"W3C test_traceparent_trace_id_illegal_characters",
     "00-.2345678901234567890123456789012-1234567890123456-01", fault::malformed, ""},
    {"W3C test_traceparent_trace_id_illegal_characters",
     "00-1234567890123456789012345678901.-1234567890123456-01", fault::malformed, ""},
    {"W3C test_traceparent_trace_id_too_long",
     "00-123456789012345678901234567890123-1234567890123456-01", fault::malformed, ""},
    {"W3C test_traceparent_trace_id_too_short",
     "00-1234567890123456789012345678901-1234567890123456-01", fault::malformed, ""},
    {"W3C test_traceparent_parent_id_all_zero",
     "00-12345678901234567890123456789012-0000000000000000-01", fault::zero_id, ""},
    {"W3C test_traceparent_parent_id_illegal_characters",
     "00-12345678901234567890123456789012-.234567890123456-01", fault::malformed, ""},
    {"W3C test_traceparent_parent_id_too_long",
     "00-12345678901234567890123456789012-12345678901234567-01", fault::malformed, ""},
    {"W3C test_traceparent_parent_id_too_short",
     "00-12345678901234567890123456789012-123456789012345-01", fault::malformed, ""},
    {"W3C test_traceparent_ows_handling", " 00-" + ids + "-01", fault::none, "00-" + ids + "-01"},
    {"W3C test_traceparent_ows_handling", "\t00-" + ids + "-01 \t", fault::none,
     "00-" + ids + "-01"},
    {"Go propagation, FutureVersion", "02-" + ids + "-01-01", fault::none, "00-" + ids + "-01"},
    {"Go propagation, future options", "02-" + ids + "-09", fault::none, "00-" + ids + "-01"},
    {"Go propagation, wrong version length", "0000-" + ids + "-01", fault::malformed, ""},
    {"Go propagation, missing flags", "00-" + ids, fault::malformed, ""},
    {"Go propagation, empty options", "00-" + ids + "-", fault::malformed, ""},
    {"Go propagation, trailing dash", "00-" + ids + "-01-", fault::malformed, ""},
    {"JS W3CTraceContextPropagator, upper case",
     "00-0AF7651916CD43DD8448EB211C80319C-"
     "b7ad6b7169203331-01",
     fault::malformed, ""},
    {"a byte that is signed in C++", "00-" + ids + "-0\xff", fault::malformed, ""},
    {"nothing", "", fault::malformed, ""},
    {"white space", "  \t ", fault::malformed, ""},
};

TEST(TraceParent, is_read_and_written_as_the_vectors_of_the_standard_and_of_the_peers_say) {
    for (const vector& v : vectors) {
        const auto read = trace_parent::parse(v.text);
        EXPECT_EQ(read.reason(), v.reason) << v.source << ": " << v.text;
        EXPECT_EQ(static_cast<bool>(read), v.reason == fault::none);
        if (read) {
            EXPECT_EQ(text_of(*read), v.written.empty() ? v.text : v.written) << v.source;
        }
    }
}

TEST(TraceParent, masks_the_flags_that_level_2_does_not_know) {
    // Go rejects a traceparent of version 00 with flags above 03.
    const auto read = trace_parent::parse("00-" + ids + "-ff");
    ASSERT_TRUE(read);
    EXPECT_EQ(text_of(*read), "00-" + ids + "-03");
    trace_parent of_a_program = *read;
    of_a_program.flags = 0xfc;
    EXPECT_EQ(text_of(of_a_program), "00-" + ids + "-00");
}

TEST(TraceParent, of_a_javascript_peer_with_flags_ff_is_dropped) {
    // It writes three digits: -0ff.
    EXPECT_EQ(trace_parent::parse("00-" + ids + "-0ff").reason(), fault::malformed);
}

TEST(TraceParent, keeps_the_random_flag_as_it_is) {
    for (const char* flags : {"00", "01", "02", "03"}) {
        const std::string text = "00-" + ids + "-" + flags;
        EXPECT_EQ(text_of(trace_parent::parse(text)->child()).substr(53), flags);
    }
}

TEST(TraceParent, that_starts_a_trace_is_random_and_has_ids) {
    std::set<std::string> seen;
    for (int i = 0; i != 100; ++i) {
        const trace_parent parent = trace_parent::start(i % 2 == 0);
        EXPECT_TRUE(parent);
        EXPECT_TRUE(parent.random());
        EXPECT_EQ(parent.sampled(), i % 2 == 0);
        seen.insert(text_of(parent).substr(3, 32));
    }
    EXPECT_EQ(seen.size(), 100u);
}

TEST(TraceParent, of_a_child_is_another_span_of_the_same_trace) {
    const trace_parent parent = *trace_parent::parse(good);
    const trace_parent child = parent.child();
    EXPECT_EQ(child.trace_id, parent.trace_id);
    EXPECT_NE(child.span_id, parent.span_id);
    EXPECT_EQ(child.flags, parent.flags);
}

TEST(TraceParent, without_ids_stands_for_no_trace) {
    EXPECT_FALSE(trace_parent{});
    trace_parent half;
    half.trace_id[0] = 1;
    EXPECT_FALSE(half);
}

TEST(TraceParent, prints_as_the_header) {
    std::ostringstream out;
    out << *trace_parent::parse(good) << ' ' << trace_parent{};
    EXPECT_EQ(out.str(), std::string(good) + " -");
}

// B3.

const std::string trace32 = "80f198ee56343ba864fe8b2a57d3eff7";
const std::string span = "e457b5a2e4d86bd1";

const vector b3_vectors[] = {
    {"b3-propagation, single", trace32 + "-" + span + "-1-05e3ac9a4f6e3b90", fault::none,
     trace32 + "-" + span + "-1"},
    {"b3-propagation, no parent", trace32 + "-" + span + "-1", fault::none, ""},
    {"b3-propagation, deferred decision", trace32 + "-" + span, fault::none,
     trace32 + "-" + span + "-0"},
    {"b3-propagation, debug", trace32 + "-" + span + "-d", fault::none,
     trace32 + "-" + span + "-1"},
    {"b3-propagation, not sampled", trace32 + "-" + span + "-0", fault::none, ""},
    {"b3-propagation, 64 bits", "64fe8b2a57d3eff7-" + span + "-1", fault::none,
     "000000000000000064fe8b2a57d3eff7-" + span + "-1"},
    {"b3-propagation, a decision alone", "0", fault::malformed, ""},
    {"b3-propagation, a decision alone", "d", fault::malformed, ""},
    {"JS B3SinglePropagator, zeros", "00000000000000000000000000000000-" + span + "-1",
     fault::zero_id, ""},
    {"JS B3SinglePropagator, zeros", trace32 + "-0000000000000000-1", fault::zero_id, ""},
    {"JS B3SinglePropagator, short id", trace32 + "-" + span.substr(1) + "-1", fault::malformed,
     ""},
    {"JS B3SinglePropagator, odd id", trace32.substr(1) + "-" + span + "-1", fault::malformed, ""},
    {"Go b3, bad sampling state", trace32 + "-" + span + "-2", fault::malformed, ""},
    {"Go b3, long sampling state", trace32 + "-" + span + "-1a", fault::malformed, ""},
    {"Go b3, long parent", trace32 + "-" + span + "-1-05e3ac9a4f6e3b90a", fault::malformed, ""},
    {"Go b3, upper case", "80F198EE56343BA864FE8B2A57D3EFF7-" + span + "-1", fault::malformed, ""},
    {"trailing dash", trace32 + "-" + span + "-", fault::malformed, ""},
    {"parent without a decision", trace32 + "-" + span + "-05e3ac9a4f6e3b90", fault::malformed, ""},
    {"nothing", "", fault::malformed, ""},
};

TEST(B3, single_is_read_and_written_as_the_vectors_say) {
    for (const vector& v : b3_vectors) {
        const auto read = parse_b3(v.text);
        EXPECT_EQ(read.reason(), v.reason) << v.source << ": " << v.text;
        if (read) {
            EXPECT_EQ(b3_of(*read), v.written.empty() ? v.text : v.written) << v.source;
        }
    }
}

TEST(B3, multi_is_read) {
    const b3_headers sampled{trace32, span, "1", ""};
    EXPECT_EQ(b3_of(*parse_b3(sampled)), trace32 + "-" + span + "-1");
    EXPECT_TRUE(parse_b3({trace32, span, "true", ""})->sampled());
    EXPECT_TRUE(parse_b3({trace32, span, "", "1"})->sampled());
    EXPECT_TRUE(parse_b3({trace32, span, "0", "1"})->sampled()); // debug implies it
    EXPECT_FALSE(parse_b3({trace32, span, "0", ""})->sampled());
    EXPECT_FALSE(parse_b3({trace32, span, "false", ""})->sampled());
    EXPECT_FALSE(parse_b3({trace32, span, "", ""})->sampled());
    EXPECT_EQ(parse_b3({trace32, "", "1", ""}).reason(), fault::malformed);
    EXPECT_EQ(parse_b3({"", span, "1", ""}).reason(), fault::malformed);
    EXPECT_EQ(parse_b3({trace32, span, "yes", ""}).reason(), fault::malformed);
    EXPECT_EQ(parse_b3({trace32, span, "1", "2"}).reason(), fault::malformed);
}

TEST(B3, never_sets_the_random_flag) {
    EXPECT_FALSE(parse_b3(trace32 + "-" + span + "-1")->random());
}

} // namespace
