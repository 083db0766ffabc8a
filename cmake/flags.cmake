# Warnings, hardening and instrumentation, as one interface target that every program links.
add_library(sanyao_flags INTERFACE)

target_compile_options(sanyao_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wundef -Wvla
  -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wcast-qual
  -Wimplicit-fallthrough -fno-common -fno-strict-aliasing)
if(SANYAO_WERROR)
  target_compile_options(sanyao_flags INTERFACE -Werror)
endif()

target_compile_options(sanyao_flags INTERFACE -fstack-protector-strong)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(sanyao_flags INTERFACE -fstack-clash-protection -fcf-protection)
endif()
target_link_options(sanyao_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

if(SANYAO_SANITIZE)
  target_compile_options(sanyao_flags INTERFACE
    -fsanitize=${SANYAO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(sanyao_flags INTERFACE -fsanitize=${SANYAO_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT SANYAO_FUZZ)
  # glibc warns when asked to fortify without optimisation; the sanitizers check the same better.
  target_compile_options(sanyao_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

if(SANYAO_COVERAGE)
  target_compile_options(sanyao_flags INTERFACE --coverage -O0)
  target_link_options(sanyao_flags INTERFACE --coverage)
endif()
