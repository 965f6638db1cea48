// SPDX-License-Identifier: MIT
//
// Talks to echo_server from many clients at the same time, and checks that the good bye of each
// names that client's own address. Plain Asio, nothing of contextvars: the check is independent.
//
//     echo_clients <port> <clients>
#include <contextvars/asio/config.hpp>

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio.hpp>
namespace net = asio;
using net::error_code;
#else
#include <boost/asio.hpp>
namespace net = boost::asio;
using boost::system::error_code;
#endif

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

using net::ip::tcp;

constexpr int lines_per_client = 3;
constexpr std::chrono::seconds patience{30};

struct client {
    client(net::io_context& io, int which) : number(which), socket(io) {}

    int number;
    tcp::socket socket;
    std::string address; // of this end, as the operating system tells it
    int echoed = 0;      // lines that came back as they were sent
    std::string goodbye; // all that came after the last line
    std::string error;

    bool right() const {
        return error.empty() && echoed == lines_per_client &&
               goodbye == "Good bye, client @ " + address + "\r\n";
    }
};

net::awaitable<void> connect(client& self, tcp::endpoint server) {
    co_await self.socket.async_connect(server, net::use_awaitable);
    std::ostringstream address;
    address << self.socket.local_endpoint();
    self.address = address.str();
}

net::awaitable<void> talk(client& self) {
    if (!self.error.empty())
        co_return;
    std::string input;
    for (int i = 1; i <= lines_per_client; ++i) {
        const std::string line =
            "line " + std::to_string(i) + " of client " + std::to_string(self.number) + "\r\n";
        co_await net::async_write(self.socket, net::buffer(line), net::use_awaitable);
        const std::size_t length = co_await net::async_read_until(
            self.socket, net::dynamic_buffer(input), '\n', net::use_awaitable);
        self.echoed += input.substr(0, length) == line ? 1 : 0;
        input.erase(0, length);
    }
    // Either ends the conversation.
    const std::string empty_line = "\r\n";
    if (self.number % 2 == 0)
        co_await net::async_write(self.socket, net::buffer(empty_line), net::use_awaitable);
    else
        self.socket.shutdown(tcp::socket::shutdown_send);

    error_code end_of_input;
    co_await net::async_read(self.socket, net::dynamic_buffer(input),
                             net::redirect_error(net::use_awaitable, end_of_input));
    self.goodbye = input;
}

/// Runs one step of all clients at the same time, and waits for all.
template <class Step>
void together(net::io_context& io, std::deque<client>& clients, Step step) {
    std::size_t running = clients.size();
    for (client& self : clients)
        net::co_spawn(io, step(self), [&self, &running](std::exception_ptr error) {
            --running;
            try {
                if (error)
                    std::rethrow_exception(error);
            } catch (const std::exception& what) {
                self.error = what.what();
            }
        });
    io.restart();
    io.run_for(patience);
    if (running > 0)
        throw std::runtime_error(std::to_string(running) + " clients got no answer");
}

int main(int argc, char** argv) try {
    if (argc != 3)
        throw std::invalid_argument("usage: echo_clients <port> <clients>");
    const tcp::endpoint server(net::ip::address_v4::loopback(),
                               static_cast<unsigned short>(std::stoi(argv[1])));
    net::io_context io; // outlives the sockets
    std::deque<client> clients;
    for (int number = 1; number <= std::stoi(argv[2]); ++number)
        clients.emplace_back(io, number);

    // All are connected before the first one speaks.
    together(io, clients, [server](client& self) { return connect(self, server); });
    together(io, clients, talk);

    std::size_t right = 0;
    for (const client& self : clients) {
        const std::string goodbye = self.goodbye.substr(0, self.goodbye.find_first_of("\r\n"));
        std::cout << "client " << self.number << " at " << self.address << " got " << self.echoed
                  << " of " << lines_per_client << " lines back, then '" << goodbye
                  << "': " << (self.right() ? "right" : "WRONG " + self.error) << '\n';
        right += self.right() ? 1 : 0;
    }
    std::cout
        << "checked: all were connected before the first one spoke; each good bye was compared "
           "with the local address of the client's own socket (getsockname)\n"
        << clients.size() << " clients, " << right << " right, " << clients.size() - right
        << " wrong\n";
    return right == clients.size() && right > 0 ? 0 : 1;
} catch (const std::exception& error) {
    std::cerr << "echo_clients: " << error.what() << '\n';
    return 1;
}
