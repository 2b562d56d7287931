# Cross compiles for arm64 against the packages that `tools/images/sysroot arm64` unpacked. The compiler is Debian's
# gcc 12 for that target, but every header, library and start file is of the sysroot: the same packages that a build on
# an arm64 machine has and that the images' bills of materials name, not Debian's *-arm64-cross ones.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(triplet aarch64-linux-gnu)
if(DEFINED ENV{KEELSON_SYSROOTS})
  set(CMAKE_SYSROOT $ENV{KEELSON_SYSROOTS}/arm64)
else()
  set(CMAKE_SYSROOT $ENV{HOME}/.cache/keelson/sysroot/arm64)
endif()
if(NOT EXISTS ${CMAKE_SYSROOT}/keelson-packages)
  message(FATAL_ERROR "No arm64 packages in ${CMAKE_SYSROOT}: tools/images/sysroot arm64")
endif()
set(CMAKE_C_COMPILER ${triplet}-gcc-12)
set(CMAKE_CXX_COMPILER ${triplet}-g++-12)
set(CMAKE_LIBRARY_ARCHITECTURE ${triplet})

# The compiler prefers its own target's folders to a sysroot's, so they are named: the order is the one of gcc itself.
set(inner ${CMAKE_SYSROOT}/usr/lib/gcc/${triplet}/12)
set(headers ${inner}/include ${CMAKE_SYSROOT}/usr/include/${triplet} ${CMAKE_SYSROOT}/usr/include)
list(JOIN headers " -isystem " headers)
set(standard ${CMAKE_SYSROOT}/usr/include/c++/12)
set(standard "${standard} -isystem ${CMAKE_SYSROOT}/usr/include/${triplet}/c++/12 -isystem ${standard}/backward")
set(CMAKE_C_FLAGS_INIT "-nostdinc -isystem ${headers}")
set(CMAKE_CXX_FLAGS_INIT "-nostdinc -isystem ${standard} -isystem ${headers}")
set(libraries ${CMAKE_SYSROOT}/usr/lib/${triplet})
set(CMAKE_EXE_LINKER_FLAGS_INIT "-B${inner}/ -B${libraries}/ -L${libraries}")

# Programs that run during the build are this machine's; everything else is the sysroot's.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${libraries}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
