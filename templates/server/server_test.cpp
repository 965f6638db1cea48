// Clients that are served at once are greeted by their own names.
#include "server.hpp"

#include <boost/asio.hpp>

#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace net = boost::asio;
using net::ip::tcp;

int main() {
    net::thread_pool pool(4);
    tcp::acceptor acceptor(pool, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    const tcp::endpoint endpoint = acceptor.local_endpoint();
    contextvars::co_spawn(pool, serve(std::move(acceptor)), net::detached);

    constexpr int clients = 20;
    net::io_context io;
    std::vector<tcp::socket> sockets;
    for (int i = 0; i < clients; ++i) {
        sockets.emplace_back(io).connect(endpoint);
        net::write(sockets.back(), net::buffer("client " + std::to_string(i) + "\n"));
    }

    int failed = 0;
    for (int i = 0; i < clients; ++i) {
        std::string answer;
        net::read_until(sockets[static_cast<std::size_t>(i)], net::dynamic_buffer(answer), '\n');
        const std::string expected = "hello, client " + std::to_string(i) + "\n";
        if (answer != expected) {
            std::cerr << "expected " << expected << "got " << answer;
            ++failed;
        }
    }
    pool.stop();
    pool.join();
    return failed == 0 ? 0 : 1;
}
