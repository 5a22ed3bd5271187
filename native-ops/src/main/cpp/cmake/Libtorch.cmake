# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
# A copy of the License is in the file LICENSE at the root of this project, and at
# http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
# permissions and limitations under the License.

# Finds the libtorch to build for.
#
#   djlmamba_find_libtorch(include_variable lib_variable reason_variable)
#
# sets the folders of the headers and of the libraries, or else the reason why they cannot be had, in one line that says how to mend it.
# LIBTORCH_HOME, as a variable or in the environment, names a folder with include and lib, such as the torch folder of a PyTorch wheel. Without it
# the libraries are those of DJLMAMBA_LIBTORCH_JAR, the jar that DJL takes its own from, and the headers come from the wheel of the same
# version that headers.txt pins. Both are kept in a cache of the user's, and either is written to a temporary folder and then renamed, so that
# two builds may run at once and an interrupted one leaves nothing half done.

set(DJLMAMBA_HEADERS_REQUIREMENT "${CMAKE_CURRENT_LIST_DIR}/../headers.txt")

function(djlmamba_find_libtorch include_variable lib_variable reason_variable)
  set(${include_variable} "" PARENT_SCOPE)
  set(${lib_variable} "" PARENT_SCOPE)
  set(${reason_variable} "" PARENT_SCOPE)

  set(home "${LIBTORCH_HOME}")
  if(NOT home)
    set(home "$ENV{LIBTORCH_HOME}")
  endif()
  if(home)
    if(EXISTS "${home}/include/ATen/ATen.h" AND EXISTS "${home}/lib/libtorch_cpu.so")
      set(${include_variable} "${home}/include" PARENT_SCOPE)
      set(${lib_variable} "${home}/lib" PARENT_SCOPE)
    else()
      set(${reason_variable}
        "LIBTORCH_HOME is ${home}, which has no include/ATen/ATen.h or no lib/libtorch_cpu.so: name a libtorch or a wheel's torch folder"
        PARENT_SCOPE)
    endif()
    return()
  endif()

  if(NOT DJLMAMBA_LIBTORCH_JAR)
    set(${reason_variable} "no libtorch is named: set LIBTORCH_HOME, or build with Maven" PARENT_SCOPE)
    return()
  endif()
  if(NOT EXISTS "${DJLMAMBA_LIBTORCH_JAR}")
    set(${reason_variable} "DJL's libtorch is missing: ${DJLMAMBA_LIBTORCH_JAR} does not exist" PARENT_SCOPE)
    return()
  endif()
  djlmamba_cache_folder(cache)
  djlmamba_libtorch_headers("${cache}" headers reason)
  if(NOT reason)
    djlmamba_libtorch_libraries("${cache}" libraries reason)
  endif()
  if(reason)
    set(${reason_variable} "${reason}" PARENT_SCOPE)
    return()
  endif()
  set(${include_variable} "${headers}" PARENT_SCOPE)
  set(${lib_variable} "${libraries}" PARENT_SCOPE)
endfunction()

function(djlmamba_cache_folder variable)
  if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(${variable} "$ENV{XDG_CACHE_HOME}/djl-mamba" PARENT_SCOPE)
  else()
    set(${variable} "$ENV{HOME}/.cache/djl-mamba" PARENT_SCOPE)
  endif()
endfunction()

# A folder beside `folder` to prepare its content in.
function(djlmamba_temporary_folder folder variable)
  string(RANDOM LENGTH 12 suffix)
  set(temporary "${folder}.${suffix}.tmp")
  file(REMOVE_RECURSE "${temporary}")
  file(MAKE_DIRECTORY "${temporary}")
  set(${variable} "${temporary}" PARENT_SCOPE)
endfunction()

# Puts a prepared folder into place, unless another build has done so meanwhile.
function(djlmamba_publish_folder temporary folder reason_variable)
  file(RENAME "${temporary}" "${folder}" RESULT result)
  if(NOT result EQUAL 0)
    file(REMOVE_RECURSE "${temporary}")
    if(NOT EXISTS "${folder}")
      set(${reason_variable} "${folder} cannot be written (${result})" PARENT_SCOPE)
    endif()
  endif()
endfunction()

function(djlmamba_libtorch_headers cache headers_variable reason_variable)
  file(STRINGS "${DJLMAMBA_HEADERS_REQUIREMENT}" pin REGEX "^torch==")
  if(NOT pin MATCHES "^torch==([^ ]+) --hash=sha256:([0-9a-f]+)$")
    set(${reason_variable} "${DJLMAMBA_HEADERS_REQUIREMENT} does not pin one wheel of torch" PARENT_SCOPE)
    return()
  endif()
  string(SUBSTRING "${CMAKE_MATCH_2}" 0 12 hash)
  set(folder "${cache}/libtorch-headers-${CMAKE_MATCH_1}-${hash}")
  set(${headers_variable} "${folder}/include" PARENT_SCOPE)
  if(EXISTS "${folder}/include")
    return()
  endif()

  find_program(DJLMAMBA_PYTHON NAMES python3 python)
  if(NOT DJLMAMBA_PYTHON)
    set(${reason_variable}
      "python3 with pip is missing, which fetches the headers of libtorch: install it, or set LIBTORCH_HOME" PARENT_SCOPE)
    return()
  endif()
  message(STATUS "Fetching the headers of libtorch into ${folder}")
  djlmamba_temporary_folder("${folder}" temporary)
  execute_process(
    COMMAND "${DJLMAMBA_PYTHON}" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all:
      --platform macosx_11_0_arm64 --python-version 3.11 --dest "${temporary}" -r "${DJLMAMBA_HEADERS_REQUIREMENT}"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  file(GLOB wheel "${temporary}/torch-*.whl")
  if(NOT result EQUAL 0 OR NOT wheel)
    file(REMOVE_RECURSE "${temporary}")
    string(STRIP "${output}" output)
    string(REGEX REPLACE ".*\n" "" output "${output}")
    set(${reason_variable}
      "the headers of libtorch cannot be fetched by ${DJLMAMBA_PYTHON} -m pip (${output}): mend that, or set LIBTORCH_HOME" PARENT_SCOPE)
    return()
  endif()
  file(ARCHIVE_EXTRACT INPUT "${wheel}" DESTINATION "${temporary}" PATTERNS "torch/include/*")
  file(REMOVE "${wheel}")
  file(RENAME "${temporary}/torch/include" "${temporary}/include")
  file(REMOVE_RECURSE "${temporary}/torch")
  djlmamba_publish_folder("${temporary}" "${folder}" reason)
  set(${reason_variable} "${reason}" PARENT_SCOPE)
endfunction()

function(djlmamba_libtorch_libraries cache libraries_variable reason_variable)
  file(SIZE "${DJLMAMBA_LIBTORCH_JAR}" size)
  string(REGEX REPLACE "\\.jar$" "" name "${DJLMAMBA_LIBTORCH_JAR}")
  get_filename_component(name "${name}" NAME)
  set(folder "${cache}/${name}-${size}")
  set(${libraries_variable} "${folder}/lib" PARENT_SCOPE)
  if(EXISTS "${folder}/lib")
    return()
  endif()
  message(STATUS "Unpacking DJL's libtorch into ${folder}")
  djlmamba_temporary_folder("${folder}" temporary)
  file(ARCHIVE_EXTRACT INPUT "${DJLMAMBA_LIBTORCH_JAR}" DESTINATION "${temporary}" PATTERNS "pytorch/*")
  file(GLOB_RECURSE library "${temporary}/pytorch/libtorch_cpu.so")
  if(NOT library)
    file(REMOVE_RECURSE "${temporary}")
    set(${reason_variable} "${DJLMAMBA_LIBTORCH_JAR} holds no libtorch_cpu.so" PARENT_SCOPE)
    return()
  endif()
  get_filename_component(libraries "${library}" DIRECTORY)
  file(RENAME "${libraries}" "${temporary}/lib")
  file(REMOVE_RECURSE "${temporary}/pytorch")
  djlmamba_publish_folder("${temporary}" "${folder}" reason)
  set(${reason_variable} "${reason}" PARENT_SCOPE)
endfunction()
