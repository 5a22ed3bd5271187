# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
# A copy of the License is in the file LICENSE at the root of this project, and at
# http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
# permissions and limitations under the License.
# djlmamba_build(folder target): builds a target with as many jobs as the machine's cores and its memory allow; a file that includes libtorch's
# headers takes about 1.5 GB to compile. CMAKE_BUILD_PARALLEL_LEVEL overrides the number.
function(djlmamba_build folder target)
  set(jobs "$ENV{CMAKE_BUILD_PARALLEL_LEVEL}")
  if(NOT jobs)
    cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
    cmake_host_system_information(RESULT megabytes QUERY TOTAL_PHYSICAL_MEMORY)
    math(EXPR jobs "${megabytes} / 2000")
    if(jobs LESS 1)
      set(jobs 1)
    elseif(jobs GREATER cores)
      set(jobs "${cores}")
    endif()
  endif()
  execute_process(COMMAND "${CMAKE_COMMAND}" --build "${folder}" --target "${target}" --parallel "${jobs}" RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "The native ops do not compile (target ${target} in ${folder}).")
  endif()
endfunction()
