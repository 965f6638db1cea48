// SPDX-License-Identifier: MIT
#include <contextvars/propagation/baggage.hpp>

#include <contextvars/errors.hpp>

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

using namespace contextvars::propagation;

namespace {

std::string many(std::size_t members) {
    std::string text;
    for (std::size_t i = 0; i != members; ++i)
        text += (i == 0 ? "" : ",") + ("k" + std::to_string(i)) + "=v";
    return text;
}

struct result {
    std::string written;
    std::size_t dropped;
    fault reason;
};

result read(std::string_view text) {
    baggage::reader lines;
    lines.add(text);
    const std::size_t dropped = lines.dropped();
    const fault reason = lines.reason();
    return {lines.take().to_text(), dropped, reason};
}

struct vector {
    const char* source;
    std::string text;
    std::size_t dropped;
    std::string written; ///< "=": as `text`
};

const vector vectors[] = {
    {"W3C test_parse_simple", "SomeKey=SomeValue", 0, "="},
    {"W3C test_parse_multiple", "SomeKey=SomeValue;SomeProp,SomeKey2=SomeValue2", 0, "="},
    {"W3C test_parse_multiple_with_whitespace",
     "SomeKey \t = \t SomeValue \t , \t SomeKey2 \t = \t SomeValue2 \t ; \t SomeProp \t", 0,
     "SomeKey=SomeValue,SomeKey2=SomeValue2;SomeProp"},
    {"W3C test_parse_multiple_kv_property", "SomeKey=SomeValue;SomePropKey=SomePropValue", 0, "="},
    {"W3C example",
     "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue", 0,
     "key1=value1;property1;property2,key2=value2,key3=value3;propertyKey=propertyValue"},
    {"W3C example", "userId=Am%C3%A9lie,serverNode=DF%2028,isProduction=false", 0, "="},
    {"W3C: equals signs in a value", "k=a=b==,l==", 0, "="},
    {"W3C: an empty value", "k=,l=;p", 0, "="},
    {"W3C: duplicates keep their order", "k=1,l=2,k=3", 0, "="},
    {"W3C: a key is a token", "!#$%&'*+-.^_`|~aZ09=1", 0, "="},
    {"W3C: a key is never decoded", "my%20key=1", 0, "="},
    {"W3C: codes that are not needed, in lower case", "k=%41%2c", 0, "="},
    {"W3C: empty members", ",k=1,, \t,l=2,", 0, "k=1,l=2"},
    {"Go TestBaggageParse, nothing", "", 0, ""},
    {"Go TestBaggageParse, no key", "=v,k=1", 1, "k=1"},
    {"Go TestBaggageParse, no value", "key,k=1", 1, "k=1"},
    {"Go TestBaggageParse, invalid key", "a b=1,k=1", 1, "k=1"},
    {"Go TestBaggageParse, invalid property", "a=1;=,k=1", 1, "k=1"},
    {"Go TestBaggageParse, invalid property key", "a=1;b c,k=1", 1, "k=1"},
    {"Go TestBaggageParse, invalid property value", "a=1;b=\\,k=1", 1, "k=1"},
    {"Go TestBaggageParse, invalid code", "a=%zz,b=%1,c=%,k=1", 3, "k=1"},
    {"Go TestBaggageParse, invalid code in a property", "a=1;p=%zz,k=1", 1, "k=1"},
    {"JS baggage, a space in a value", "a=b c,k=1", 1, "k=1"},
    {"C++ baggage_test, a quote", "a=\"b\",k=1", 1, "k=1"},
    {"C++ baggage_test, not ASCII", "a=\xc3\xa9,k=1", 1, "k=1"},
    {"an empty property", "a=1;,k=1", 1, "k=1"},
    {"a property without its key", "a=1;=2,k=1", 1, "k=1"},
    {"NUL", std::string("a=\0,k=1", 7), 1, "k=1"},
    // What the peers send.
    {"Python: a property has become a part of the value", "k=v%3Bp%3D1", 0, "="},
    {"Python, C++: a space has become a plus", "k=a+b", 0, "="},
    {"JS: a key is encoded", "na%C3%AFve=1", 0, "="},
    {"Java: all properties are one encoded text", "k=v;p%3D1%3Bq", 0, "="},
    {"C++: the metadata is glued to the value", "k=v;p=1", 0, "="},
};

TEST(Baggage, is_read_and_written_as_the_vectors_of_the_standard_and_of_the_peers_say) {
    for (const vector& v : vectors) {
        const result r = read(v.text);
        EXPECT_EQ(r.written, v.written == "=" ? v.text : v.written) << v.source;
        EXPECT_EQ(r.dropped, v.dropped) << v.source << ": " << v.text;
        EXPECT_EQ(r.reason, v.dropped == 0 ? fault::none : fault::malformed) << v.source;
        EXPECT_EQ(read(r.written).written, r.written) << v.source;
    }
}

TEST(Baggage, gives_keys_values_and_properties_in_order) {
    const baggage bag = baggage::parse("a=1;p;q=%20;r=,b=%C3%A9=;p,a=");
    ASSERT_EQ(bag.size(), 3u);
    std::vector<std::string> seen;
    for (const baggage_member member : bag) {
        seen.push_back(std::string(member.key()) + "|" + member.value());
        for (const baggage_property property : member.properties())
            seen.push_back(";" + std::string(property.key()) +
                           (property.has_value() ? "|" + property.value() : ""));
    }
    EXPECT_EQ(seen,
              (std::vector<std::string>{"a|1", ";p", ";q| ", ";r|", "b|\xc3\xa9=", ";p", "a|"}));
    EXPECT_EQ(bag.find("a")->value(), "1");
    EXPECT_FALSE(bag.find("c"));
}

TEST(Baggage, gives_U_FFFD_for_bytes_that_are_no_UTF_8) {
    const std::string bad = "\xef\xbf\xbd";
    for (const auto& [encoded, value] :
         {std::pair<std::string, std::string>{"%FF", bad},
          {"%C3", bad},
          {"%C3%28", bad + "("},
          {"a%E2%82b", "a" + bad + "b"}, // one for the part of a character
          {"%F0%9F%98", bad},            //
          {"%E2%82%AC", "\xe2\x82\xac"}, //
          {"%F0%9F%98%80", "\xf0\x9f\x98\x80"},
          {"%C0%80", bad + bad},          // a longer form than is needed
          {"%ED%A0%80", bad + bad + bad}, // a surrogate
          {"%F4%90%80%80", bad + bad + bad + bad},
          {"%80", bad},
          {"%00", std::string(1, '\0')}}) {
        const baggage bag = baggage::parse("k=" + encoded + ";p=" + encoded);
        ASSERT_EQ(bag.size(), 1u);
        EXPECT_EQ((*bag.begin()).value(), value) << encoded;
        EXPECT_EQ((*(*bag.begin()).properties().begin()).value(), value) << encoded;
        EXPECT_EQ(bag.to_text(), "k=" + encoded + ";p=" + encoded); // goes on as it came
    }
}

TEST(Baggage, of_several_lines_is_joined_in_order) {
    baggage::reader lines;
    for (const char* line : {"a=1,b=2", "", "a=3;p", ",c=4"})
        lines.add(line);
    EXPECT_EQ(lines.take().to_text(), "a=1,b=2,a=3;p,c=4");
    EXPECT_TRUE(lines.take().empty());
}

TEST(Baggage, keeps_64_members_over_all_lines_and_drops_the_rest) {
    EXPECT_EQ(read(many(64)).dropped, 0u);
    const result r = read(many(65));
    EXPECT_EQ(r.written, many(64));
    EXPECT_EQ(r.reason, fault::too_many);
    baggage::reader lines;
    for (int i = 0; i != 100; ++i)
        lines.add("k=v");
    EXPECT_EQ(lines.reason(), fault::too_many);
    EXPECT_EQ(lines.take().size(), 64u);
}

TEST(Baggage, keeps_8192_bytes_over_all_lines_and_no_part_of_a_member) {
    const std::string first = "a=" + std::string(4000, 'x');
    const std::string fits = "b=" + std::string(8192 - 4002 - 1 - 2, 'y');
    ASSERT_EQ((first + "," + fits).size(), 8192u);
    EXPECT_EQ(read(first + "," + fits).written, first + "," + fits);
    EXPECT_EQ(read(first + "," + fits + "y").written, first);
    EXPECT_EQ(read(first + "," + fits + "y").reason, fault::too_long);
    EXPECT_EQ(read(first + "," + fits + ",c=1").written, first + "," + fits);

    baggage::reader lines;
    lines.add(first);
    lines.add(fits);
    EXPECT_EQ(lines.dropped(), 0u);
    lines.add("c=1");
    lines.add("d=1");
    EXPECT_EQ(lines.dropped(), 1u); // the others are not read
    EXPECT_EQ(lines.reason(), fault::too_long);
    EXPECT_EQ(lines.take().to_text(), first + "," + fits);
}

TEST(Baggage, of_many_header_lines_is_read_up_to_the_limit_alone) {
    // CVE-2026-29181: many header lines. CVE-2026-41178: no limit for raw bytes.
    baggage::reader lines;
    const std::string blank(64, ' ');
    int read = 0;
    while (!lines.full() && read != 1'000'000) {
        lines.add(blank);
        ++read;
    }
    EXPECT_LE(read, 8192 / 64 + 1);
    EXPECT_EQ(lines.reason(), fault::too_long);
}

TEST(Baggage, encodes_what_a_header_cannot_carry_and_the_plus) {
    baggage bag;
    EXPECT_EQ(bag.set("k", "a b+c,d;e\\f\"g%h=i\xc3\xa9"), fault::none);
    EXPECT_EQ(bag.to_text(), "k=a%20b%2Bc%2Cd%3Be%5Cf%22g%25h=i%C3%A9");
    EXPECT_EQ(bag.find("k")->value(), "a b+c,d;e\\f\"g%h=i\xc3\xa9");
    EXPECT_EQ(read(bag.to_text()).dropped, 0u);
}

TEST(Baggage, that_is_written_is_read_for_every_byte) {
    std::string all;
    for (int c = 0; c != 128; ++c)
        all += static_cast<char>(c);
    baggage bag;
    ASSERT_EQ(bag.set("k", all), fault::none);
    EXPECT_EQ(baggage::parse(bag.to_text()).find("k")->value(), all);
}

TEST(Baggage, sets_the_first_member_of_a_key_in_its_place) {
    baggage bag = baggage::parse("a=1,b=2;p,a=3,c=4,b=5");
    EXPECT_EQ(bag.set("b", "new"), fault::none);
    EXPECT_EQ(bag.to_text(), "a=1,b=new,a=3,c=4");
    EXPECT_EQ(bag.set("d", ""), fault::none);
    EXPECT_EQ(bag.add("b", "5"), fault::none);
    EXPECT_EQ(bag.to_text(), "a=1,b=new,a=3,c=4,d=,b=5");
    EXPECT_EQ(bag.size(), 6u);
    const std::string value(bag.find("b")->key()); // of itself
    EXPECT_EQ(bag.remove(bag.find("b")->key()), 2u);
    EXPECT_EQ(bag.remove("b"), 0u);
    EXPECT_EQ(bag.to_text(), "a=1,a=3,c=4,d=");
    EXPECT_EQ(bag.remove("a"), 2u);
    EXPECT_EQ(bag.size(), 2u);
}

TEST(Baggage, is_never_longer_than_the_limits_allow_to_send) {
    baggage bag = baggage::parse(many(64));
    EXPECT_EQ(bag.set("one_more", "v"), fault::too_many);
    EXPECT_EQ(bag.set("k0", "w"), fault::none);
    EXPECT_EQ(bag.set("k0", std::string(8192, 'x')), fault::too_long);
    EXPECT_EQ(bag.size(), 64u);
    EXPECT_EQ(bag.find("k0")->value(), "w");

    baggage one;
    EXPECT_EQ(one.set("k", std::string(8191, 'x')), fault::too_long);
    EXPECT_EQ(one.set("k", std::string(3000, ' ')), fault::too_long); // encoded, it is
    EXPECT_EQ(one.set("k", std::string(8190, 'x')), fault::none);
    EXPECT_EQ(one.to_text().size(), 8192u);
    EXPECT_EQ(one.add("k", ""), fault::too_long);
}

TEST(Baggage, refuses_a_key_that_is_no_token_and_stays_as_it_was) {
    baggage bag = baggage::parse("k=1");
    for (const char* key : {"", "a b", "a=b", "a,b", "a;b", "\xc3\xa9", "\""}) {
        EXPECT_THROW(static_cast<void>(bag.set(key, "1")), contextvars::ValueError) << key;
        EXPECT_THROW(static_cast<void>(bag.add(key, "1")), contextvars::ValueError) << key;
    }
    EXPECT_EQ(bag.to_text(), "k=1");
}

TEST(Baggage, prints_its_keys_and_no_values) {
    std::ostringstream out;
    out << baggage::parse("user=ann;p=secret,tenant=7");
    EXPECT_EQ(out.str(), "user,tenant");
}

} // namespace
