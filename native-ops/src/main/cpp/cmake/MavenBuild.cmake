# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
# A copy of the License is in the file LICENSE at the root of this project, and at
# http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
# permissions and limitations under the License.
# The build as Maven runs it (see build-native.xml): cmake -DNATIVE=auto|required -DPLATFORM=... -DBUILD_FOLDER=... -DOUTPUT_FOLDER=...
# -DDJLMAMBA_LIBTORCH_JAR=... -DDJLMAMBA_JAVA_HOME=... -P MavenBuild.cmake
#
# Leaves the library and its properties in OUTPUT_FOLDER, or nothing where what it takes cannot be had and NATIVE is auto. With
# nothing changed it only starts the build tool, which finds that out.
cmake_minimum_required(VERSION 3.18)
include("${CMAKE_CURRENT_LIST_DIR}/Libtorch.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/Jobs.cmake")

set(library_folder "${OUTPUT_FOLDER}/native/djlmamba/${PLATFORM}")

function(find_requirements reason_variable)
  set(reason "")
  find_program(compiler NAMES $ENV{CXX} c++ g++ clang++)
  find_program(make_tool NAMES ninja make gmake)
  if(NOT compiler)
    set(reason "a C++17 compiler is missing: install g++, or set CXX")
  elseif(NOT make_tool)
    set(reason "ninja or make is missing: install one")
  else()
    djlmamba_find_libtorch(include lib reason)
  endif()
  set(${reason_variable} "${reason}" PARENT_SCOPE)
endfunction()

find_requirements(reason)
if(reason)
  file(REMOVE_RECURSE "${library_folder}")
  if(NATIVE STREQUAL "required")
    message(FATAL_ERROR "Native ops cannot be built: ${reason}")
  endif()
  message(NOTICE "Native ops are not built: ${reason}; the reference ops run instead.")
  return()
endif()

if(NOT EXISTS "${BUILD_FOLDER}/CMakeCache.txt")
  find_program(ninja ninja)
  if(ninja)
    set(generator -G Ninja)
  else()
    set(generator -G "Unix Makefiles")
  endif()
endif()
execute_process(
  COMMAND "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/.." -B "${BUILD_FOLDER}" ${generator} --log-level=WARNING
    "-DDJLMAMBA_LIBTORCH_JAR=${DJLMAMBA_LIBTORCH_JAR}" "-DDJLMAMBA_JAVA_HOME=${DJLMAMBA_JAVA_HOME}"
  OUTPUT_VARIABLE output RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "Native ops cannot be configured:\n${output}")
endif()
djlmamba_build("${BUILD_FOLDER}" djlmamba)

file(MAKE_DIRECTORY "${library_folder}")
foreach(name libdjlmamba.so djlmamba.properties)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${BUILD_FOLDER}/${name}" "${library_folder}/${name}" RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${library_folder}/${name} cannot be written")
  endif()
endforeach()
