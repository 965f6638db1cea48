#include <contextvars/propagation.hpp>

#include <map>
#include <string>

int main() {
    std::map<std::string, std::string> message{{"baggage", "a=1"}};
    namespace propagation = contextvars::propagation;
    auto context = propagation::extract(propagation::string_map(message), {.trust_baggage = true});
    return context.run([] { return propagation::current_baggage.get().size() == 1 ? 0 : 1; });
}
