# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
# A copy of the License is in the file LICENSE at the root of this project, and at
# http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
# permissions and limitations under the License.
# The C++ tests as Maven runs them (see build-native.xml): cmake -DBUILD_FOLDER=... -P MavenTest.cmake
cmake_minimum_required(VERSION 3.18)
include("${CMAKE_CURRENT_LIST_DIR}/Jobs.cmake")

djlmamba_build("${BUILD_FOLDER}" djlmamba_tests)
get_filename_component(folder "${CMAKE_COMMAND}" DIRECTORY)
find_program(ctest ctest HINTS "${folder}" REQUIRED)
execute_process(COMMAND "${ctest}" --output-on-failure --no-tests=error WORKING_DIRECTORY "${BUILD_FOLDER}" RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "The C++ tests of the native ops fail.")
endif()
