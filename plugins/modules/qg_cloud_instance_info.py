#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the instances of an account."""

DOCUMENTATION = r"""
module: qg_cloud_instance_info
short_description: Read the cloud instances of an account
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads all instances that an account has in QG.net's cloud, or one of them. QG.net calls them
    services.
  - QG.net returns at most 50 instances per call. If instances end while the module reads the list,
    it starts again, up to three times in total. If it cannot read the whole list, it fails.
  - QG.net's response contains the passwords of the instances. The module removes them unless
    O(include_secrets) is true.
options:
  product_id:
    description:
      - QG.net's number of the brand (I(productId)), such as 104. Document 2662 of QG.net lists all
        brands.
      - If it is not set, QG.net decides which instances to return.
    type: int
  suid:
    description: QG.net's identifier of the instance to return, which must not be empty. By default,
      all instances are returned.
    type: str
  include_secrets:
    description:
      - Whether to return the passwords of the instances.
      - The result is then hidden from output and logs, as with C(no_log). The registered variable
        contains all of it.
      - A delegated task must set C(no_log) itself. Otherwise, it fails.
    type: bool
    default: false
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.account_api
  - qingguo.qgnet.transport
seealso:
  - module: qingguo.qgnet.qg_cloud_package_facts
  - name: QG.net's page on brand numbers
    description: Document 2662 of QG.net, in Chinese.
    link: https://www.qg.net/doc/2662.html
"""

EXAMPLES = r"""
- name: Read all instances of a brand
  qingguo.qgnet.qg_cloud_instance_info:
    product_id: 104
  register: cloud

- name: Show the addresses of running instances
  ansible.builtin.debug:
    msg: "{{ running | map(attribute='ip') | select | list }}"
  vars:
    running: "{{ cloud.instances | selectattr('run_status', 'eq', 'running') }}"

- name: Read the passwords of one instance
  qingguo.qgnet.qg_cloud_instance_info:
    suid: "12154545"
    include_secrets: true
  register: secret

- name: Add it to the inventory
  ansible.builtin.add_host:
    name: "{{ secret.instances[0].ip }}"
    ansible_password: "{{ secret.instances[0].login_password }}"
  no_log: true
"""

RETURN = r"""
instances:
  description: The instances.
  returned: success
  type: list
  elements: dict
  contains:
    suid:
      description: QG.net's identifier of the instance (I(Suid)), for O(suid).
      type: str
    line_no:
      description: The line (I(Line_no)).
      type: str
      returned: always, may be null
    area_no:
      description: The area (I(Area_no)).
      type: str
      returned: always, may be null
    spec_no:
      description: The specification (I(Spec_no)).
      type: str
      returned: always, may be null
    spec_name:
      description: The name of the specification (I(Spec_name)).
      type: str
      returned: always, may be null
    host_id:
      description: The number of the machine that it runs on (I(Host_id)).
      type: int
      returned: always, may be null
    host_name:
      description: The name of that machine (I(Host_name)), which is not the name of the instance.
      type: str
      returned: always, may be null
    ip:
      description: The public address (I(Ip)).
      type: str
      returned: always, may be null
    local_ip:
      description: The private address (I(Local_ip)).
      type: str
      returned: always, may be null
    run_status:
      description:
        - The state of the machine (I(Run_status)) as one of the words V(stopped), V(powered_off),
          V(provisioning), V(running), V(starting), V(stopping), V(rebooting), V(reinstalling),
          V(resetting_password), or V(unknown) for any other number.
      type: str
      returned: always, may be null
    run_status_code:
      description:
        - QG.net's number for the same state. The words above are in the order -4, -1, 0, 1, 2, 3,
          4, 5, 6.
      type: int
      returned: always, may be null
    order_status:
      description:
        - The state of the order (I(Order_status)) as one of the words V(locked), V(failed),
          V(provisioning), V(normal), V(transferring), V(expired), or V(unknown) for any other
          number.
      type: str
      returned: always, may be null
    order_status_code:
      description: QG.net's number for the same state. The words above are in the order -4, -3, 0,
        1, 2, 3.
      type: int
      returned: always, may be null
    system_disk_type:
      description: The type of the system disk (I(System_type)).
      type: str
      returned: always, may be null
    system_disk:
      description: The size of the system disk (I(Systemdisks)), in gigabytes as in QG.net's
        packages.
      type: int
      returned: always, may be null
    data_disk_type:
      description: The type of the data disk (I(Harddisks_type)).
      type: str
      returned: always, may be null
    data_disk:
      description:
        - The size of the data disk (I(Harddiks), as QG.net spells it), in gigabytes as in QG.net's
          packages.
      type: int
      returned: always, may be null
    bandwidth:
      description: The bandwidth (I(Bandwidth)), in megabits per second as in QG.net's packages.
      type: int
      returned: always, may be null
    defense:
      description:
        - The protection against attacks (I(Defense)), in gigabits per second as in QG.net's
          packages.
      type: int
      returned: always, may be null
    system_no:
      description: The system image (I(System_no)).
      type: str
      returned: always, may be null
    system_name:
      description: The name of the system image (I(System_name)).
      type: str
      returned: always, may be null
    os_family:
      description:
        - V(windows) or V(linux), as far as C(system_name) shows it.
      type: str
      returned: always, may be null
    adsl_name:
      description: The user name of the dial-up line (I(Adsl_name)).
      type: str
      returned: always, may be null
    buy_time:
      description: When it was bought, as QG.net returns it (I(Buy_time)).
      type: str
      returned: always, may be null
    buy_time_iso:
      description:
        - The same time in ISO 8601. QG.net does not state a time zone. The collection assumes China
          Standard Time.
      type: str
      returned: always, may be null
    end_time:
      description: When it ends, as QG.net returns it (I(End_time)).
      type: str
      returned: always, may be null
    end_time_iso:
      description: The same time in ISO 8601.
      type: str
      returned: always, may be null
    adsl_password:
      description: The password of the dial-up line (I(Adsl_password)), which is a secret.
      type: str
      returned: with O(include_secrets=true), may be null
    business_password:
      description: The password of the instance's panel (I(Business_password)), which is a secret.
      type: str
      returned: with O(include_secrets=true), may be null
    login_password:
      description: The password of the system (I(Login_password)), which is a secret.
      type: str
      returned: with O(include_secrets=true), may be null
    vendor:
      description:
        - The instance as QG.net returns it. It contains the passwords only if O(include_secrets) is
          true.
      type: dict
  sample:
    - suid: "12154545"
      line_no: ap-shanghai
      area_no: ap-shanghai-1
      spec_no: s1.small
      spec_name: "\u6807\u51c6\u578b"
      host_id: 1
      host_name: "1"
      ip: 198.51.100.20
      local_ip: 192.0.2.20
      run_status: running
      run_status_code: 1
      order_status: normal
      order_status_code: 1
      system_disk_type: null
      system_disk: 40
      data_disk_type: null
      data_disk: 20
      bandwidth: 1
      defense: null
      system_no: img-win2012
      system_name: windows 2012
      os_family: windows
      adsl_name: null
      buy_time: "2030-03-05 16:00:00"
      buy_time_iso: "2030-03-05T16:00:00+08:00"
      end_time: "2030-04-05 16:00:00"
      end_time_iso: "2030-04-05T16:00:00+08:00"
      vendor: {Suid: "12154545", line_no: ap-shanghai, Ip: 198.51.100.20, Harddiks: "20"}
count:
  description: The number of RV(instances).
  returned: success
  type: int
  sample: 1
api:
  description: The number of C(calls), how many of them were C(retries), and the time that the task
    has waited, as C(waited_seconds) and, by reason, C(waits).
  returned: success
  type: dict
error:
  description:
    - The call that failed, with its C(endpoint), C(http_status), QG.net's C(code) and what the code
      means (C(meaning)). QG.net's support can find the call by its C(request_id).
  returned: failure
  type: dict
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import INSTANCE_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(INSTANCE_INFO)


if __name__ == "__main__":
    main()
