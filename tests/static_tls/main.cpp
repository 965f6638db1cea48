// SPDX-License-Identifier: MIT
//
// main LIBRARY EATER… DIRECTORY: loads copies of each eater until the loader has no static TLS space
// left for one more, or 64 are loaded; then loads the library, and prints "loaded" or the loader's
// error. The larger eaters come first, so that less is left than the smallest takes.
#include <dlfcn.h>

#include <cstdio>
#include <filesystem>
#include <string>

int main(int count, char** arguments) {
    const std::filesystem::path directory = arguments[count - 1];
    for (int eater = 2; eater != count - 1; ++eater) {
        for (int copy = 0; copy != 64; ++copy) {
            const std::filesystem::path file =
                directory / (std::to_string(eater) + "_" + std::to_string(copy) + ".so");
            // The loader knows a file again by its inode.
            std::filesystem::copy_file(arguments[eater], file,
                                       std::filesystem::copy_options::overwrite_existing);
            if (dlopen(file.c_str(), RTLD_NOW) == nullptr)
                break;
        }
    }
    void* const library = dlopen(arguments[1], RTLD_NOW);
    if (library == nullptr) {
        std::puts(dlerror());
        return 0;
    }
    using function = void* (*)();
    const auto current_map = reinterpret_cast<function>(
        dlsym(library, "_ZN11contextvars2v06detail16load_current_mapEv"));
    std::puts(current_map != nullptr && current_map() != nullptr ? "loaded" : "no slot");
}
